// What the results of all commands have in common.

// The fields that all results share.
export interface ResultHead {
  model: string;
  command: string;
  version: string;
  backends: string[];
}

// A number; null in JSON if it is not finite.
export type Figure = number | null;
