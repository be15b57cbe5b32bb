// The precision of a model's weights, and the machine that measured.
import type { Figure, ResultHead } from "./head";

export interface CensusTensor {
  name: string;
  type: string;
  shape: number[];
  elements: number;
  layer: number | null;
  low16_zero: Figure;
  lossless_in: string[];
  mantissa_bits: number | null;
  absmax: Figure;
  std: Figure;
  kurtosis: Figure;
}

export interface InspectResult extends ResultHead {
  schema: "fakequant.inspect/1";
  architecture: string;
  file_size: number;
  layers: number;
  types: Record<string, number>;
  tensors: CensusTensor[];
}

export interface EnvironmentResult extends ResultHead {
  schema: "fakequant.environment/1";
  cpu: string;
  cores: number;
  threads: number;
  system: string;
  compiler: string;
  engine: string;
}
