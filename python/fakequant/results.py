"""What the commands of the program give: their JSON as dataclasses.

Sizes are in bytes, times in ms unless the name says otherwise, divergences and logarithms in nats, fractions from
0 to 1. None is a figure that is not finite or was not measured.

Made by scripts/python-results from docs/reference/schemas: `make reference`.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Dict, List, Optional

from ._result import Result


@dataclass(frozen=True)
class InspectionTensor:
    """The selected tensors, in the file's order. Minimum to kurtosis are those of the finite values."""

    #: Of the tensor.
    name: str
    #: As stored: F32, Q4_K and so on.
    type: str
    #: Its dimensions as ggml has them: the length of a row first.
    shape: List[int]
    #: Number of values.
    elements: int
    #: Of its data.
    bytes: int
    #: Number of the layer, from 0; None for what belongs to no layer.
    layer: Optional[int]
    #: F32 only: fraction of values whose low 16 bits are zero.
    low16_zero: Optional[float]
    #: Those of bf16, f16, tf32, e4m3, e5m2 and mantissaN (of F64, f32 as well) that hold every value exactly; none for
    #: integers.
    lossless_in: List[str]
    #: F32 norms of architectures whose converter adds 1 to them: fraction of values that are BF16 values plus 1.
    low16_zero_minus_1: Optional[float]
    #: It holds integers.
    integer: bool
    #: The most mantissa bits that a finite value uses.
    mantissa_bits: Optional[int]
    #: Mantissa bits of its values' type: 23 of float32, 52 of F64.
    mantissa_width: Optional[int]
    #: Smallest value.
    min: Optional[float]
    #: Largest value.
    max: Optional[float]
    #: Largest magnitude.
    absmax: Optional[float]
    #: Mean.
    mean: Optional[float]
    #: Standard deviation.
    std: Optional[float]
    #: Number of zeros.
    zeros: int
    #: Number of NaNs.
    nans: int
    #: Number of infinite values.
    infs: int
    #: Excess kurtosis: 0 for a normal distribution; None if all values are equal.
    kurtosis: Optional[float]


@dataclass(frozen=True)
class InspectionSuggestion:
    """Tensors that could be stored in fewer bits without loss."""

    #: As they are stored.
    type: str
    #: The narrower formats, of equal size, that hold every value.
    formats: List[str]
    #: Of a value in these formats.
    bits: int
    #: Names of the tensors.
    tensors: List[str]
    #: As they are stored.
    bytes: int
    #: Bytes in these formats.
    narrower_bytes: int
    #: The same in a sentence.
    text: str


@dataclass(frozen=True)
class Inspection(Result):
    """The census of a model: the precision that its weights use."""

    SCHEMA: ClassVar[str] = "fakequant.inspect/1"
    ROWS: ClassVar[str] = "tensors"

    #: The name and version of the schema.
    schema: str
    #: Path of the model.
    model: str
    #: general.architecture of the file; empty where it names none.
    architecture: str
    #: Bytes of all parts.
    file_size: int
    #: Number of layers.
    layers: int
    #: How many tensors have each type.
    types: Dict[str, int]
    #: The selected tensors, in the file's order. Minimum to kurtosis are those of the finite values.
    tensors: List[InspectionTensor]
    #: Tensors that could be stored in fewer bits without loss.
    suggestions: List[InspectionSuggestion]
    #: The command line that made the file, as it can be typed again.
    command: str
    #: The version of fakequant.
    version: str
    #: The devices that computed, as ggml names them; empty where no model was computed.
    backends: List[str]
    #: In which the model was computed (docs/arithmetic.md).
    arithmetic: Optional[str]


@dataclass(frozen=True)
class EvaluationMemory:
    """Bytes that the process was foretold to hold at its peak, before it began; None where devices hold layers."""

    #: The sum of the parts.
    total: int
    #: Of the models, as their files have them.
    weights: int
    #: That variants hold beside them.
    rounded_weights: int
    #: Keys, values and states, of the baseline and all variants.
    cache: int
    #: Tokens that rules keep in full, beside the cache.
    cache_in_full: int
    #: Values of the graph, and logits.
    compute: int
    #: Inputs that are packed for products in f32 arithmetic.
    products: int
    #: The program itself, with vocabularies.
    program: int


@dataclass(frozen=True)
class EvaluationBaselineMacro:
    """Over the texts, each with the same weight."""

    #: Geometric mean of the perplexities.
    ppl: Optional[float]


@dataclass(frozen=True)
class EvaluationBaseline:
    """The unmodified model."""

    #: Perplexity.
    ppl: Optional[float]
    #: Its standard error.
    ppl_error: Optional[float]
    #: Mean bits of a weight, as the file stores it.
    bits_per_weight: Optional[float]
    #: Over the texts, each with the same weight.
    macro: EvaluationBaselineMacro


@dataclass(frozen=True)
class Overflow:
    """Where a logit of a variant was first NaN or infinite."""

    #: Name of the text.
    text: str
    #: Chunk of the text, from 0.
    chunk: int
    #: Index of the token in the chunk.
    token: int
    #: The first activation that had NaN or infinity after its rounding; None if there is none.
    site: Optional[str]


@dataclass(frozen=True)
class EvaluationVariantMacro:
    """Mean of the figures of the texts, each with the same weight; of ppl and ppl_ratio the geometric mean."""

    #: Perplexity.
    ppl: Optional[float]
    #: Perplexity of the variant / that of the baseline.
    ppl_ratio: Optional[float]
    #: Mean KL divergence KL(baseline || variant), in nats.
    kld: Optional[float]
    #: Mean KL(variant || baseline), in nats.
    reverse_kld: Optional[float]
    #: Fraction of predictions with the same most likely token.
    top1_agreement: Optional[float]


@dataclass(frozen=True)
class NoiseFloor:
    """What the least rounding of the same values costs, where llama.cpp's kernels round again what the rules rounded.
    Of sweep: in runs that measured anything."""

    #: Mean KL divergence, in nats.
    kld: Optional[float]
    #: Over so many predictions.
    predictions: int


@dataclass(frozen=True)
class EvaluationVariantChunk:
    """The figures of each chunk."""

    #: Name of the text.
    text: str
    #: Of its text, from 0.
    chunk: int
    #: Perplexity of the baseline.
    baseline_ppl: Optional[float]
    #: Perplexity.
    ppl: Optional[float]
    #: Perplexity of the variant / that of the baseline.
    ppl_ratio: Optional[float]
    #: Mean KL divergence KL(baseline || variant), in nats.
    kld: Optional[float]
    #: Mean KL(variant || baseline), in nats.
    reverse_kld: Optional[float]
    #: Fraction of predictions with the same most likely token.
    top1_agreement: Optional[float]


@dataclass(frozen=True)
class WorstToken:
    """The predictions with the largest divergence, largest first."""

    #: Name of the text.
    text: str
    #: Chunk of the text, from 0.
    chunk: int
    #: Of the predicted token in its chunk.
    position: int
    #: The text before the token.
    context: str
    #: The token that came.
    token: str
    #: KL divergence of this prediction, in nats.
    kld: Optional[float]
    #: Probability of the token that came, in the baseline.
    p_baseline: Optional[float]
    #: The same in the variant.
    p_variant: Optional[float]
    #: The baseline's most likely token.
    top_baseline: str
    #: The variant's most likely token.
    top_variant: str


@dataclass(frozen=True)
class FiguresKld:
    """KL divergence KL(baseline || variant) over the whole vocabulary, in nats."""

    #: Mean over the predictions.
    mean: Optional[float]
    #: Standard error of the mean, in the same unit.
    error: Optional[float]
    #: Over the predictions: the smallest, in the same unit.
    min: Optional[float]
    #: Over the predictions: the 0.1 % quantile, in the same unit.
    p01: Optional[float]
    #: Over the predictions: the 1 % quantile, in the same unit.
    p1: Optional[float]
    #: Over the predictions: the 5 % quantile, in the same unit.
    p5: Optional[float]
    #: Over the predictions: the 10 % quantile, in the same unit.
    p10: Optional[float]
    #: Over the predictions: the 25 % quantile, in the same unit.
    p25: Optional[float]
    #: Over the predictions: the 50 % quantile, in the same unit.
    median: Optional[float]
    #: Over the predictions: the 75 % quantile, in the same unit.
    p75: Optional[float]
    #: Over the predictions: the 90 % quantile, in the same unit.
    p90: Optional[float]
    #: Over the predictions: the 95 % quantile, in the same unit.
    p95: Optional[float]
    #: Over the predictions: the 99 % quantile, in the same unit.
    p99: Optional[float]
    #: Over the predictions: the 99.9 % quantile, in the same unit.
    p999: Optional[float]
    #: Over the predictions: the largest, in the same unit.
    max: Optional[float]


@dataclass(frozen=True)
class FiguresReverseKld:
    """The divergence in the other direction, KL(variant || baseline), in nats."""

    #: Mean over the predictions.
    mean: Optional[float]
    #: Standard error of the mean, in the same unit.
    error: Optional[float]
    #: Over the predictions: the smallest, in the same unit.
    min: Optional[float]
    #: Over the predictions: the 0.1 % quantile, in the same unit.
    p01: Optional[float]
    #: Over the predictions: the 1 % quantile, in the same unit.
    p1: Optional[float]
    #: Over the predictions: the 5 % quantile, in the same unit.
    p5: Optional[float]
    #: Over the predictions: the 10 % quantile, in the same unit.
    p10: Optional[float]
    #: Over the predictions: the 25 % quantile, in the same unit.
    p25: Optional[float]
    #: Over the predictions: the 50 % quantile, in the same unit.
    median: Optional[float]
    #: Over the predictions: the 75 % quantile, in the same unit.
    p75: Optional[float]
    #: Over the predictions: the 90 % quantile, in the same unit.
    p90: Optional[float]
    #: Over the predictions: the 95 % quantile, in the same unit.
    p95: Optional[float]
    #: Over the predictions: the 99 % quantile, in the same unit.
    p99: Optional[float]
    #: Over the predictions: the 99.9 % quantile, in the same unit.
    p999: Optional[float]
    #: Over the predictions: the largest, in the same unit.
    max: Optional[float]


@dataclass(frozen=True)
class FiguresDeltaP:
    """Change of the probability of the actual next token, -1 to 1."""

    #: Mean over the predictions.
    mean: Optional[float]
    #: Standard error of the mean, in the same unit.
    error: Optional[float]
    #: Over the predictions: the smallest, in the same unit.
    min: Optional[float]
    #: Over the predictions: the 0.1 % quantile, in the same unit.
    p01: Optional[float]
    #: Over the predictions: the 1 % quantile, in the same unit.
    p1: Optional[float]
    #: Over the predictions: the 5 % quantile, in the same unit.
    p5: Optional[float]
    #: Over the predictions: the 10 % quantile, in the same unit.
    p10: Optional[float]
    #: Over the predictions: the 25 % quantile, in the same unit.
    p25: Optional[float]
    #: Over the predictions: the 50 % quantile, in the same unit.
    median: Optional[float]
    #: Over the predictions: the 75 % quantile, in the same unit.
    p75: Optional[float]
    #: Over the predictions: the 90 % quantile, in the same unit.
    p90: Optional[float]
    #: Over the predictions: the 95 % quantile, in the same unit.
    p95: Optional[float]
    #: Over the predictions: the 99 % quantile, in the same unit.
    p99: Optional[float]
    #: Over the predictions: the 99.9 % quantile, in the same unit.
    p999: Optional[float]
    #: Over the predictions: the largest, in the same unit.
    max: Optional[float]
    #: Root mean square of the change.
    rms: Optional[float]
    #: Its standard error.
    rms_error: Optional[float]


@dataclass(frozen=True)
class EvaluationVariant:
    """Figures are over all predictions of all texts; None if the variant overflows."""

    #: Of the variant.
    name: str
    #: Its rules in one line; empty where it has none.
    recipe: str
    #: Path of the other model, of a variant of --against.
    model: Optional[str]
    #: A common quantization, measured for comparison.
    yardstick: bool
    #: Mean bits of a weight as the formats store it, with scales.
    bits_per_weight: Optional[float]
    #: Where a logit of a variant was first NaN or infinite.
    overflow: Optional[Overflow]
    #: Mean of the figures of the texts, each with the same weight; of ppl and ppl_ratio the geometric mean.
    macro: EvaluationVariantMacro
    #: What the least rounding of the same values costs, where llama.cpp's kernels round again what the rules rounded.
    #: Of sweep: in runs that measured anything.
    noise_floor: Optional[NoiseFloor]
    #: The mean KL divergence in nats, for each jitter of the embeddings.
    jittered_kld: List[Optional[float]]
    #: The figures of each chunk.
    chunks: List[EvaluationVariantChunk]
    #: The predictions with the largest divergence, largest first.
    worst_tokens: List[WorstToken]
    #: Perplexity.
    ppl: Optional[float]
    #: Its standard error.
    ppl_error: Optional[float]
    #: Perplexity of the variant / that of the baseline.
    ppl_ratio: Optional[float]
    #: Its standard error.
    ppl_ratio_error: Optional[float]
    #: Natural logarithm of ppl_ratio, in nats.
    log_ppl_ratio: Optional[float]
    #: Its standard error.
    log_ppl_ratio_error: Optional[float]
    #: Perplexity of the variant - that of the baseline.
    ppl_difference: Optional[float]
    #: Its standard error.
    ppl_difference_error: Optional[float]
    #: Correlation of the log-probabilities of the two models, -1 to 1; None where one is constant.
    correlation: Optional[float]
    #: KL divergence KL(baseline || variant) over the whole vocabulary, in nats.
    kld: FiguresKld
    #: The divergence in the other direction, KL(variant || baseline), in nats.
    reverse_kld: FiguresReverseKld
    #: Change of the probability of the actual next token, -1 to 1.
    delta_p: FiguresDeltaP
    #: Fraction of predictions with the same most likely token.
    top1_agreement: Optional[float]
    #: Its standard error.
    top1_agreement_error: Optional[float]
    #: Mean fraction of the 5 most likely tokens that both models share.
    top5_overlap: Optional[float]
    #: The same of the 10 most likely tokens.
    top10_overlap: Optional[float]


@dataclass(frozen=True)
class EvaluationComparison:
    """The difference of the divergences of every two variants, on the chunks that both have."""

    #: Name of the one.
    variant: str
    #: Name of the other.
    against: str
    #: Mean divergence of `variant` minus that of `against`, in nats.
    kld_difference: Optional[float]
    #: Lower end of the 95 % interval, in nats.
    low: Optional[float]
    #: Upper end.
    high: Optional[float]
    #: Name of the one with the smaller divergence; None where they are equal.
    better: Optional[str]
    #: That it is the better one: 0.5 to 1.
    confidence: Optional[float]


@dataclass(frozen=True)
class EvaluationTextBaseline:
    """The unmodified model."""

    #: Perplexity.
    ppl: Optional[float]
    #: Its standard error.
    ppl_error: Optional[float]


@dataclass(frozen=True)
class EvaluationTextVariant:
    """In the order of `variants`."""

    #: Of the variant.
    name: str
    #: Perplexity.
    ppl: Optional[float]
    #: Its standard error.
    ppl_error: Optional[float]
    #: Perplexity of the variant / that of the baseline.
    ppl_ratio: Optional[float]
    #: Its standard error.
    ppl_ratio_error: Optional[float]
    #: Natural logarithm of ppl_ratio, in nats.
    log_ppl_ratio: Optional[float]
    #: Its standard error.
    log_ppl_ratio_error: Optional[float]
    #: Perplexity of the variant - that of the baseline.
    ppl_difference: Optional[float]
    #: Its standard error.
    ppl_difference_error: Optional[float]
    #: Correlation of the log-probabilities of the two models, -1 to 1; None where one is constant.
    correlation: Optional[float]
    #: KL divergence KL(baseline || variant) over the whole vocabulary, in nats.
    kld: FiguresKld
    #: The divergence in the other direction, KL(variant || baseline), in nats.
    reverse_kld: FiguresReverseKld
    #: Change of the probability of the actual next token, -1 to 1.
    delta_p: FiguresDeltaP
    #: Fraction of predictions with the same most likely token.
    top1_agreement: Optional[float]
    #: Its standard error.
    top1_agreement_error: Optional[float]
    #: Mean fraction of the 5 most likely tokens that both models share.
    top5_overlap: Optional[float]
    #: The same of the 10 most likely tokens.
    top10_overlap: Optional[float]


@dataclass(frozen=True)
class EvaluationText:
    """The figures of each text."""

    #: Name of the text.
    text: str
    #: That were measured.
    chunks: int
    #: None where a long text was not read to its end.
    tokens_in_text: Optional[int]
    #: Number of predictions that were scored.
    tokens_scored: int
    #: The unmodified model.
    baseline: EvaluationTextBaseline
    #: In the order of `variants`.
    variants: List[EvaluationTextVariant]


@dataclass(frozen=True)
class Reader:
    """Readers that the rule does not mean."""

    #: The node of the graph that reads the values.
    node: str
    #: Its operation, as ggml names it: MUL_MAT.
    operation: str
    #: The weight that it multiplies them by; None if there is none.
    weight: Optional[str]
    #: The type to which its kernel rounds them; F32: not at all; None: unknown, or nothing is rounded.
    rounds_to: Optional[str]


@dataclass(frozen=True)
class EvaluationSite:
    """What was rounded at each activation, counted in all evaluations."""

    #: Name of the variant.
    variant: str
    #: Name of the site.
    site: str
    #: Number of the layer, from 0; None for what belongs to no layer.
    layer: Optional[int]
    #: To which it was rounded.
    format: str
    #: The tokens that the rule names.
    tokens: str
    #: Number of evaluations.
    evaluations: int
    #: Number of rows: columns x rows = elements.
    rows: int
    #: Values of a row; None for rows of different lengths.
    columns: Optional[int]
    #: The types to which llama.cpp's kernels round it after that; '?' if that is unknown.
    kernels_round_to: List[str]
    #: Readers that the rule does not mean.
    also_read_by: List[Reader]
    #: Number of values.
    elements: int
    #: Values whose bits changed, without NaNs that stay NaN.
    changed: int
    #: Values beyond the largest code: clamped to it, or made infinite.
    saturated: int
    #: Largest finite magnitude before the rounding.
    absmax: Optional[float]
    #: Largest absolute change; None where a value became NaN or infinite.
    max_abs: Optional[float]
    #: Mean absolute change; None likewise.
    mean_abs: Optional[float]
    #: Largest relative change, |rounded - x| / |x| without x = 0; None likewise.
    max_rel: Optional[float]
    #: Root mean square of the change; None likewise.
    rmse: Optional[float]
    #: 10 log10(sum x^2 / sum (rounded - x)^2), in dB; None where nothing changed.
    sqnr_db: Optional[float]
    #: Of the angle between the values before and after, -1 to 1.
    cosine: Optional[float]
    #: Values other than 0 that became 0.
    flushed: int
    #: Finite values that became NaN or infinite.
    not_finite: int


@dataclass(frozen=True)
class EvaluationWeight:
    """What was rounded at each weight."""

    #: Name of the variant.
    variant: str
    #: Of the tensor.
    name: str
    #: As the model stores it: F32, Q4_K and so on.
    type: str
    #: The type after the rounding.
    stored_as: str
    #: The winning rule's format with its options; empty if the tensor is only stored otherwise.
    format: str
    #: Finite values that the format rounds to infinity.
    became_infinite: int
    #: Rounded values that the storage type cannot hold, and rounds again.
    storage_moved: int
    #: The largest change by that, of values that stay finite.
    storage_max_abs: Optional[float]
    #: Finite values that became infinite in the storage type.
    storage_overflow: int
    #: The rule's importance matrix does not have the tensor.
    lacks_importance: bool
    #: Number of values.
    elements: int
    #: Values whose bits changed, without NaNs that stay NaN.
    changed: int
    #: Values beyond the largest code: clamped to it, or made infinite.
    saturated: int
    #: Largest finite magnitude before the rounding.
    absmax: Optional[float]
    #: Largest absolute change; None where a value became NaN or infinite.
    max_abs: Optional[float]
    #: Mean absolute change; None likewise.
    mean_abs: Optional[float]
    #: Largest relative change, |rounded - x| / |x| without x = 0; None likewise.
    max_rel: Optional[float]
    #: Root mean square of the change; None likewise.
    rmse: Optional[float]
    #: 10 log10(sum x^2 / sum (rounded - x)^2), in dB; None where nothing changed.
    sqnr_db: Optional[float]
    #: Of the angle between the values before and after, -1 to 1.
    cosine: Optional[float]
    #: Values other than 0 that became 0.
    flushed: int
    #: Finite values that became NaN or infinite.
    not_finite: int


@dataclass(frozen=True)
class OverlapsCalibrationOverlap:
    """What part of a text that was evaluated is in the text of a file of calibrate that the rules name; of each file
    that keeps a sample of its text, with each text."""

    #: Path of the file of calibrate.
    file: str
    #: Name of the text that was evaluated.
    text: str
    #: Of the text's windows of 32 tokens, about.
    share: float


@dataclass(frozen=True)
class Evaluation(Result):
    """Perplexity and divergence of variants against the baseline (docs/measuring.md)."""

    SCHEMA: ClassVar[str] = "fakequant.eval/1"
    ROWS: ClassVar[str] = "variants"

    #: The name and version of the schema.
    schema: str
    #: Path of the model.
    model: str
    #: Name of the text; None for several.
    text: Optional[str]
    #: Ended before the end of the texts.
    interrupted: bool
    #: Number of threads.
    threads: int
    #: None for several texts, and where a long text was not read to its end.
    tokens_in_text: Optional[int]
    #: Number of tokens.
    tokens_evaluated: int
    #: Number of predictions that were scored.
    tokens_scored: int
    #: Of all texts.
    chunks: int
    #: Tokens of a chunk.
    ctx_size: int
    #: Tokens that went through the model together.
    batch_size: int
    #: Tokens before the first scored prediction of a chunk.
    scored_from: int
    #: Bytes that the process was foretold to hold at its peak, before it began; None where devices hold layers.
    memory: Optional[EvaluationMemory]
    #: The unmodified model.
    baseline: EvaluationBaseline
    #: Figures are over all predictions of all texts; None if the variant overflows.
    variants: List[EvaluationVariant]
    #: The difference of the divergences of every two variants, on the chunks that both have.
    comparisons: List[EvaluationComparison]
    #: The figures of each text.
    texts: List[EvaluationText]
    #: What was rounded at each activation, counted in all evaluations.
    sites: List[EvaluationSite]
    #: What was rounded at each weight.
    weights: Optional[List[EvaluationWeight]]
    #: The command line that made the file, as it can be typed again.
    command: str
    #: The version of fakequant.
    version: str
    #: The devices that computed, as ggml names them; empty where no model was computed.
    backends: List[str]
    #: In which the model was computed (docs/arithmetic.md).
    arithmetic: Optional[str]
    #: Type of the keys in attention's cache: f32, f16, q8_0 and so on.
    cache_type_k: Optional[str]
    #: Type of the values in attention's cache.
    cache_type_v: Optional[str]
    #: What part of a text that was evaluated is in the text of a file of calibrate that the rules name; of each file
    #: that keeps a sample of its text, with each text.
    calibration_overlaps: Optional[List[OverlapsCalibrationOverlap]]


@dataclass(frozen=True)
class SweepText:
    """In the order of the study."""

    #: Name of the text.
    text: str
    #: That were asked for.
    chunks: int


@dataclass(frozen=True)
class SweepBaseline:
    """The unmodified model."""

    #: Perplexity.
    ppl: Optional[float]
    #: Its standard error.
    ppl_error: Optional[float]


@dataclass(frozen=True)
class SweepVariantPredicted:
    """The divergence as predicted before any measurement, in nats."""

    #: Mean KL divergence.
    kld: Optional[float]
    #: Lower end of its 95 % interval.
    low: Optional[float]
    #: Upper end.
    high: Optional[float]


@dataclass(frozen=True)
class FiguresOfSumsKld:
    """KL divergence KL(baseline || variant) over the whole vocabulary, in nats."""

    #: Mean over the predictions.
    mean: Optional[float]
    #: Standard error of the mean.
    error: Optional[float]
    #: The largest.
    max: Optional[float]


@dataclass(frozen=True)
class FiguresOfSumsReverseKld:
    """The divergence in the other direction, KL(variant || baseline), in nats."""

    #: Mean over the predictions.
    mean: Optional[float]
    #: Standard error of the mean.
    error: Optional[float]
    #: The largest.
    max: Optional[float]


@dataclass(frozen=True)
class FiguresOfSumsDeltaP:
    """Change of the probability of the actual next token, -1 to 1."""

    #: Mean over the predictions.
    mean: Optional[float]
    #: Standard error of the mean.
    error: Optional[float]
    #: Root mean square of the change.
    rms: Optional[float]
    #: Its standard error.
    rms_error: Optional[float]


@dataclass(frozen=True)
class SweepVariant:
    """Figures are over the measured chunks; None where there are none, or if the variant overflows."""

    #: The rules.
    name: str
    #: The same.
    recipe: str
    #: As given by --site.
    site: str
    #: Number of the layer, from 0; None for what belongs to no layer.
    layer: Optional[int]
    #: As given by --format.
    format: str
    #: How quantized weights are stored: promote F16, requantize.
    storage: Optional[str]
    #: Of a value in the format, scales included; None if the study does not say.
    bits: Optional[float]
    #: Measured.
    chunks: int
    #: Of these, those that the study had before.
    chunks_found: int
    #: The first computed layer; None if nothing was measured.
    first_layer: Optional[int]
    #: Why the first computed layer is 0.
    why_whole: Optional[str]
    #: Ended early: precise enough.
    precise: bool
    #: The divergence as predicted before any measurement, in nats.
    predicted: Optional[SweepVariantPredicted]
    #: Where a logit of a variant was first NaN or infinite.
    overflow: Optional[Overflow]
    #: What the least rounding of the same values costs, where llama.cpp's kernels round again what the rules rounded.
    #: Of sweep: in runs that measured anything.
    noise_floor: Optional[NoiseFloor]
    #: Perplexity.
    ppl: Optional[float]
    #: Its standard error.
    ppl_error: Optional[float]
    #: Perplexity of the variant / that of the baseline.
    ppl_ratio: Optional[float]
    #: Its standard error.
    ppl_ratio_error: Optional[float]
    #: Natural logarithm of ppl_ratio, in nats.
    log_ppl_ratio: Optional[float]
    #: Its standard error.
    log_ppl_ratio_error: Optional[float]
    #: Perplexity of the variant - that of the baseline.
    ppl_difference: Optional[float]
    #: Its standard error.
    ppl_difference_error: Optional[float]
    #: Correlation of the log-probabilities of the two models, -1 to 1; None where one is constant.
    correlation: Optional[float]
    #: KL divergence KL(baseline || variant) over the whole vocabulary, in nats.
    kld: FiguresOfSumsKld
    #: The divergence in the other direction, KL(variant || baseline), in nats.
    reverse_kld: FiguresOfSumsReverseKld
    #: Change of the probability of the actual next token, -1 to 1.
    delta_p: FiguresOfSumsDeltaP
    #: Fraction of predictions with the same most likely token.
    top1_agreement: Optional[float]
    #: Its standard error.
    top1_agreement_error: Optional[float]
    #: Mean fraction of the 5 most likely tokens that both models share.
    top5_overlap: Optional[float]
    #: The same of the 10 most likely tokens.
    top10_overlap: Optional[float]


@dataclass(frozen=True)
class SweepPredictionQuality:
    """Predictions compared with later measurements."""

    #: Variants.
    compared: int
    #: Rank correlation; None for fewer than three.
    spearman: Optional[float]
    #: Of |predicted - measured| / measured.
    median_error: Optional[float]
    #: Likewise.
    largest_error: Optional[float]
    #: Fraction whose measured value lies in the interval.
    within_interval: Optional[float]


@dataclass(frozen=True)
class SweepPrediction:
    """Of --predict, and of a study with predictions."""

    #: Predicted and not measured.
    variants: int
    #: Of the whole model over all chunks, that this run took.
    passes: Optional[float]
    #: That the whole sweep takes.
    passes_of_all: Optional[float]
    #: Variants that were measured in order to predict others.
    probes: Optional[int]
    #: Chunks on which they were measured.
    probe_chunks: Optional[int]
    #: Predictions compared with later measurements.
    quality: SweepPredictionQuality


@dataclass(frozen=True)
class Sweep(Result):
    """The variants of a study, measured and predicted (docs/studies.md)."""

    SCHEMA: ClassVar[str] = "fakequant.sweep/1"
    ROWS: ClassVar[str] = "variants"

    #: The name and version of the schema.
    schema: str
    #: Path of the model.
    model: str
    #: Path of the database.
    study: str
    #: In the order of the study.
    texts: List[SweepText]
    #: Ended before the end.
    interrupted: bool
    #: Nothing was measured.
    dry_run: bool
    #: Number of threads.
    threads: int
    #: Of the model.
    layers: int
    #: Tokens of a chunk.
    ctx_size: int
    #: Tokens that went through the model together.
    batch_size: int
    #: Such as 1/2.
    shard: Optional[str]
    #: Relative precision of the mean divergence at which a variant ends early; None if every chunk is measured.
    precision: Optional[float]
    #: Chunks of variants, in this run.
    measured: int
    #: Duration of this run, in s.
    seconds: float
    #: Evaluations of the model on a chunk that this run did, or that a dry run found to be done.
    passes: Optional[float]
    #: The unmodified model.
    baseline: SweepBaseline
    #: Figures are over the measured chunks; None where there are none, or if the variant overflows.
    variants: List[SweepVariant]
    #: Of --predict, and of a study with predictions.
    prediction: Optional[SweepPrediction]
    #: What was left out, in sentences.
    notes: List[str]
    #: The command line that made the file, as it can be typed again.
    command: str
    #: The version of fakequant.
    version: str
    #: The devices that computed, as ggml names them; empty where no model was computed.
    backends: List[str]
    #: In which the model was computed (docs/arithmetic.md).
    arithmetic: Optional[str]
    #: What part of a text that was evaluated is in the text of a file of calibrate that the rules name; of each file
    #: that keeps a sample of its text, with each text.
    calibration_overlaps: Optional[List[OverlapsCalibrationOverlap]]


@dataclass(frozen=True)
class PlanKind:
    """Weights, activations, and attention's cache where it has a budget of its own."""

    #: What is planned.
    kind: str
    #: Pairs of a site and a layer.
    parts: int
    #: Weights, or activations of one token.
    values: int
    #: Mean bits of a value in the unmodified model.
    untouched_bits: float
    #: Of attention's cache in the unmodified model; None where none of it is planned.
    untouched_cache_bytes: Optional[int]
    #: False: pareto has a sample of the front.
    pareto_whole: bool


@dataclass(frozen=True)
class PlanPareto:
    """The Pareto front of bits and divergence of each kind, fewest bits first."""

    #: What is planned.
    kind: str
    #: Mean bits of a value.
    bits: float
    #: Mean KL divergence, predicted, in nats.
    kld: Optional[float]
    #: Mean KL divergence as measured, in nats.
    measured_kld: Optional[float]
    #: Its standard error.
    measured_kld_error: Optional[float]
    #: Of attention's cache; None where none of it is planned.
    cache_bytes: Optional[int]
    #: Its rules in one line; empty where nothing is rounded.
    recipe: str
    #: The plan is this mix.
    chosen: bool


@dataclass(frozen=True)
class PlanUniform:
    """Each format that all parts have, fewest bits first."""

    #: What is planned.
    kind: str
    #: Mean bits of a value.
    bits: float
    #: Mean KL divergence, predicted, in nats.
    kld: Optional[float]
    #: Mean KL divergence as measured, in nats.
    measured_kld: Optional[float]
    #: Its standard error.
    measured_kld_error: Optional[float]
    #: Of attention's cache; None where none of it is planned.
    cache_bytes: Optional[int]
    #: Its rules in one line; empty where nothing is rounded.
    recipe: str
    #: Of all parts.
    format: str


@dataclass(frozen=True)
class PlanChosenMemory:
    """Bytes that llama.cpp takes for that file and a context, with --fits-memory."""

    #: The data of all tensors.
    weights: int
    #: Of ctx_size tokens.
    cache: int
    #: Buffers of computation and outputs.
    compute: int


@dataclass(frozen=True)
class PlanChosenAssignment:
    """The format of each part."""

    #: What is planned.
    kind: str
    #: As in the study.
    site: str
    #: Number of the layer, from 0; None for what belongs to no layer.
    layer: Optional[int]
    #: None: not rounded.
    format: Optional[str]
    #: The request required this format.
    kept: bool
    #: Of the part.
    values: int
    #: Mean bits of a value.
    bits: float
    #: Mean KL divergence if nothing else is rounded, in nats.
    kld: Optional[float]
    #: That is predicted from other variants.
    predicted: bool


@dataclass(frozen=True)
class PlanChosen:
    """The plan; None without a budget."""

    #: Mean KL divergence, predicted, in nats.
    kld: Optional[float]
    #: Mean bits of a value; None with several kinds.
    bits: Optional[float]
    #: Mean bits of a weight.
    weight_bits: Optional[float]
    #: Mean bits of an activation.
    activation_bits: Optional[float]
    #: Mean bits of a value of attention's cache; None where it has no budget of its own.
    cache_bits: Optional[float]
    #: Of attention's cache; None where none of it is planned.
    cache_bytes: Optional[int]
    #: Bytes of the file that quantize writes by it, with a budget of that file.
    file_size: Optional[int]
    #: Of that file.
    bits_per_weight: Optional[float]
    #: That a token reads of weights and cache, with --bytes-per-token.
    bytes_per_token: Optional[int]
    #: Of the weights that a token reads, with --max-active-bpw.
    active_bits_per_weight: Optional[float]
    #: Bytes that llama.cpp takes for that file and a context, with --fits-memory.
    memory: Optional[PlanChosenMemory]
    #: The rules in one line.
    recipe: str
    #: As --rule takes them.
    rules: List[str]
    #: The format of each part.
    assignments: List[PlanChosenAssignment]


@dataclass(frozen=True)
class PlanUniformPair:
    """For each kind the best uniform format that takes at most its bits; None with one kind."""

    #: Both formats.
    format: str
    #: Mean KL divergence, predicted, in nats.
    kld: Optional[float]
    #: Mean KL divergence as measured, in nats.
    measured_kld: Optional[float]
    #: Its standard error.
    measured_kld_error: Optional[float]


@dataclass(frozen=True)
class PlanPlainMixe:
    """With a budget of a file: llama-quantize's mixes as files without importance matrix, smallest first."""

    #: Of llama-quantize, in lower case.
    name: str
    #: Bytes.
    file_size: int
    #: Of the file.
    bits_per_weight: float
    #: Mean bits of the planned weights; None where the study does not have all of its types.
    bits: Optional[float]
    #: Mean KL divergence, predicted, in nats; likewise.
    kld: Optional[float]


@dataclass(frozen=True)
class PlanRefine:
    """Of --refine: what measuring did to the plan, on the chunks of the study; None without it."""

    #: Mixes that were measured beside the first.
    tried: int
    #: That lost less than the one before.
    accepted: int
    #: No move was left to try.
    exhausted: bool
    #: Of --kernels: measured in the file's types, by llama.cpp's own kernels for them.
    by_kernels: bool
    #: Mean KL divergence of the unrefined plan, in nats.
    first_kld: float
    #: Its standard error.
    first_kld_error: float
    #: Mean KL divergence of the plan, in nats.
    kld: float
    #: Its standard error.
    kld_error: float
    #: Of the two, of the same predictions, in nats.
    difference: float
    #: Its standard error.
    difference_error: float


@dataclass(frozen=True)
class PlanVerify:
    """Of --verify: the plan as measured."""

    #: Path of the model.
    model: str
    #: Names of the texts.
    texts: List[str]
    #: That were measured.
    chunks: int
    #: Mean KL divergence of the plan, predicted, in nats.
    predicted_kld: Optional[float]
    #: Mean KL divergence as measured, in nats.
    measured_kld: Optional[float]
    #: Its standard error.
    measured_kld_error: Optional[float]


@dataclass(frozen=True)
class PlanSuggestionPlace:
    """The parts."""

    #: As in the study.
    site: str
    #: Empty if the site was measured as a whole.
    layers: List[int]


@dataclass(frozen=True)
class PlanSuggestion:
    """Parts that lose much less or much more than the bits of a format suggest."""

    #: No loss in these parts, or more than half of the total loss.
    what: str
    #: What is planned.
    kind: str
    #: The format.
    format: str
    #: The parts.
    places: List[PlanSuggestionPlace]
    #: In places.
    parts: int
    #: In all, of the kind.
    of_parts: int
    #: Of a value in the format.
    bits: float
    #: In the unmodified model.
    untouched_bits: float
    #: Sum over the parts, in nats.
    kld: Optional[float]
    #: Of a single part, in nats.
    largest_kld: Optional[float]
    #: costs_most only: sum over all parts of the kind, in nats.
    total_kld: Optional[float]
    #: The same in a sentence.
    text: str


@dataclass(frozen=True)
class Plan(Result):
    """The best mix of formats under a budget (docs/planning.md)."""

    SCHEMA: ClassVar[str] = "fakequant.plan/1"
    ROWS: ClassVar[str] = "pareto"

    #: The name and version of the schema.
    schema: str
    #: Path of the model.
    model: str
    #: Path of the database.
    study: str
    #: Names of the texts.
    texts: List[str]
    #: Of the study.
    chunks: int
    #: Of the model.
    layers: int
    #: Tokens of which attention's cache takes cache_bytes.
    ctx_size: int
    #: Weights, activations, and attention's cache where it has a budget of its own.
    kinds: List[PlanKind]
    #: The Pareto front of bits and divergence of each kind, fewest bits first.
    pareto: List[PlanPareto]
    #: Each format that all parts have, fewest bits first.
    uniform: List[PlanUniform]
    #: The plan; None without a budget.
    chosen: Optional[PlanChosen]
    #: For each kind the best uniform format that takes at most its bits; None with one kind.
    uniform_pair: Optional[PlanUniformPair]
    #: With a budget of a file: llama-quantize's mixes as files without importance matrix, smallest first.
    plain_mixes: List[PlanPlainMixe]
    #: Of --refine: what measuring did to the plan, on the chunks of the study; None without it.
    refine: Optional[PlanRefine]
    #: Of --verify: the plan as measured.
    verify: Optional[PlanVerify]
    #: A divergence that counts as none, in nats.
    negligible_kld: float
    #: Parts that lose much less or much more than the bits of a format suggest.
    suggestions: List[PlanSuggestion]
    #: What was left out, in sentences.
    notes: List[str]
    #: The command line that made the file, as it can be typed again.
    command: str
    #: The version of fakequant.
    version: str
    #: The devices that computed, as ggml names them; empty where no model was computed.
    backends: List[str]
    #: In which the model was computed (docs/arithmetic.md).
    arithmetic: Optional[str]


@dataclass(frozen=True)
class RangesImportance:
    """Of --imatrix."""

    #: In the importance matrix.
    weights: int
    #: That it is of.
    chunks: int


@dataclass(frozen=True)
class RangesChannels:
    """Of --channels."""

    #: In the file.
    inputs: int
    #: That read these inputs.
    weights: int
    #: That they are of.
    chunks: int


@dataclass(frozen=True)
class RangesHessians:
    """Of --hessian."""

    #: In the file.
    inputs: int
    #: That read these inputs.
    weights: int
    #: That they are of.
    chunks: int
    #: The rules that rounded the layers before each, of --sequential; None where none were.
    recipe: Optional[str]


@dataclass(frozen=True)
class RangesSiteHistogram:
    """Counts of |x|."""

    #: Pairs of an exponent e and the number of values with 2^e < |x| <= 2^(e+1), without empty octaves.
    octaves: List[Any]


@dataclass(frozen=True)
class RangesSite:
    """Each activation that was recorded."""

    #: Name of the node.
    site: str
    #: Number of the layer, from 0; None for what belongs to no layer.
    layer: Optional[int]
    #: Over all evaluations.
    rows: int
    #: Values of a row; None for rows of different lengths.
    columns: Optional[int]
    #: All values.
    elements: int
    #: Number of zeros.
    zeros: int
    #: Number of NaNs.
    nans: int
    #: Number of infinite values.
    infs: int
    #: What range=static: takes, at most 0.
    low: Optional[float]
    #: What range=static: takes, at least 0.
    high: Optional[float]
    #: Smallest finite value.
    min: Optional[float]
    #: Largest finite value.
    max: Optional[float]
    #: Largest finite magnitude.
    absmax: Optional[float]
    #: Percentiles of |x|, by percent, right to 0.8 %.
    percentiles: Dict[str, Optional[float]]
    #: Counts of |x|.
    histogram: RangesSiteHistogram
    #: The columns of the rows, each an entry of the arrays; None where rows have different lengths. The file of -o has
    #: absmax alone without --channel-statistics.
    channels: Optional[Dict[str, Any]]


@dataclass(frozen=True)
class Ranges(Result):
    """What calibrate records: the ranges of activations, for range=static:FILE."""

    SCHEMA: ClassVar[str] = "fakequant.ranges/1"
    ROWS: ClassVar[str] = "sites"

    #: The name and version of the schema.
    schema: str
    #: Path of the model.
    model: str
    #: Name of the text.
    text: str
    #: Tokens of a chunk.
    ctx_size: int
    #: That were evaluated.
    chunks: int
    #: That were evaluated.
    tokens: int
    #: How low and high were chosen: absmax, percentile:99.9, entropy:8, mse:int8, history:16, average:0.01.
    range: str
    #: The smallest hashes of the text's windows of 32 tokens, eight hexadecimal digits each.
    text_sample: Optional[str]
    #: Of --imatrix.
    importance: Optional[RangesImportance]
    #: Of --channels.
    channels: Optional[RangesChannels]
    #: Of --hessian.
    hessians: Optional[RangesHessians]
    #: Each activation that was recorded.
    sites: List[RangesSite]
    #: The command line that made the file, as it can be typed again.
    command: str
    #: The version of fakequant.
    version: str
    #: The devices that computed, as ggml names them; empty where no model was computed.
    backends: List[str]
    #: In which the model was computed (docs/arithmetic.md).
    arithmetic: Optional[str]


@dataclass(frozen=True)
class GenerationSampling:
    """The other options of the sampling, with llama.cpp's names and meanings."""

    #: 0: all tokens.
    top_k: int
    #: 1: all tokens.
    typical_p: float
    #: 1: all tokens.
    top_p: float
    #: 0: all tokens.
    min_p: float
    #: 1: none.
    repeat_penalty: float
    #: 0: none.
    frequency_penalty: float
    #: 0: none.
    presence_penalty: float
    #: Tokens that the penalties look back at.
    repeat_last_n: int


@dataclass(frozen=True)
class Token:
    """A token of the vocabulary."""

    #: In the vocabulary.
    id: int
    #: May end within a character.
    text: str


@dataclass(frozen=True)
class Probabilities:
    """The probabilities of the two tokens according to one model."""

    #: Of the baseline's token.
    p_baseline_token: Optional[float]
    #: Of the variant's token.
    p_variant_token: Optional[float]


@dataclass(frozen=True)
class GenerationPromptVariantAtFirstDifference:
    """The two tokens there, and the probability of both according to each model, before any sampling step."""

    #: Number of equal tokens before it.
    position: int
    #: A token of the vocabulary.
    baseline_token: Token
    #: A token of the vocabulary.
    variant_token: Token
    #: The probabilities of the two tokens according to one model.
    baseline: Probabilities
    #: The probabilities of the two tokens according to one model.
    variant: Probabilities


@dataclass(frozen=True)
class GenerationPromptVariant:
    """The texts of the variants."""

    #: Of the variant.
    name: str
    #: Its rules in one line; empty where it has none.
    recipe: str
    #: Its text.
    text: str
    #: Generated, without the end-of-text token.
    tokens: int
    #: With an end-of-text token.
    ended: bool
    #: Equal to the baseline's, token for token.
    identical: bool
    #: Index of the first token that differs; None if identical.
    first_difference: Optional[int]
    #: The two tokens there, and the probability of both according to each model, before any sampling step.
    at_first_difference: Optional[GenerationPromptVariantAtFirstDifference]
    #: Tokens before a logit was NaN or infinite, where the text ends.
    overflow: Optional[int]
    #: Positions at which both have the same token.
    tokens_alike: int
    #: tokens_alike / the number of tokens of the longer text.
    agreement: Optional[float]
    #: On the baseline's text: fraction of positions with the same most likely token.
    forced_agreement: Optional[float]


@dataclass(frozen=True)
class GenerationPrompt:
    """One for each prompt."""

    #: As given.
    prompt: str
    #: The prompt in the model's chat template.
    chat_prompt: Optional[str]
    #: In the prompt as evaluated.
    prompt_tokens: int
    #: The baseline's text.
    baseline: str
    #: Generated by the baseline.
    tokens: int
    #: With an end-of-text token.
    ended: bool
    #: Number of positions in forced_agreement.
    forced_places: int
    #: The texts of the variants.
    variants: List[GenerationPromptVariant]


@dataclass(frozen=True)
class Generation(Result):
    """Texts of the baseline and the variants for the same prompts and seed."""

    SCHEMA: ClassVar[str] = "fakequant.generate/1"
    ROWS: ClassVar[str] = "prompts.variants"

    #: The name and version of the schema.
    schema: str
    #: Path of the model.
    model: str
    #: Number of threads.
    threads: int
    #: Tokens of the context.
    ctx_size: int
    #: That were to be generated, at most.
    max_tokens: int
    #: The prompts are in the model's chat template.
    chat: bool
    #: The system message.
    system: Optional[str]
    #: Of the sampling; 0: the most likely token always.
    temperature: float
    #: Of the sampling, the same for all.
    seed: int
    #: The other options of the sampling, with llama.cpp's names and meanings.
    sampling: GenerationSampling
    #: What was not done as asked, and why.
    notes: List[str]
    #: One for each prompt.
    prompts: List[GenerationPrompt]
    #: The command line that made the file, as it can be typed again.
    command: str
    #: The version of fakequant.
    version: str
    #: The devices that computed, as ggml names them; empty where no model was computed.
    backends: List[str]
    #: In which the model was computed (docs/arithmetic.md).
    arithmetic: Optional[str]
    #: Type of the keys in attention's cache: f32, f16, q8_0 and so on.
    cache_type_k: Optional[str]
    #: Type of the values in attention's cache.
    cache_type_v: Optional[str]
