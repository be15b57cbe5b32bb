// The page's own variant on the server: changed, measured and asked, one after the other.
import { changeVariant, dropVariant, isAborted, measure, ServerError, type Divergence, type Variant } from "./server";

export interface Measured {
  variant: Variant;
  divergence: Divergence;
}

export interface SessionView {
  applying(done: number): void;
  applied(variant: Variant): void;
  measuring(): void;
  measured(found: Measured): void;
  notMeasured(fault: unknown): void; // the change is in effect
  failed(fault: unknown): void;
}

export type Change = { rules: string[] } | { recipe: string };

// Whether the server has dropped the variant, for others that were used since.
function isForgotten(fault: unknown): boolean {
  return fault instanceof ServerError && fault.status === 404;
}

export class Session {
  private variant: Variant | null = null;
  private isKnown = false; // to the server
  private running: AbortController | null = null;
  private pending: Change | null = null; // that the server has not confirmed

  constructor(private readonly view: SessionView, private readonly text: () => string) {
    // A page that is closed needs its variant no more. One that comes back makes it again.
    window.addEventListener("pagehide", () => {
      if (this.variant && this.isKnown) dropVariant(this.variant.id);
      this.isKnown = false;
    });
  }

  // Changes the variant and then measures it. A change that is still going on is given up.
  async change(change: Change): Promise<void> {
    this.pending = change;
    await this.run(async (signal) => {
      this.view.applying(0);
      this.variant = await this.changed(change, signal);
      this.isKnown = true;
      this.pending = null;
      this.view.applied(this.variant);
      await this.measureNow(this.variant, signal);
    });
  }

  // Measures again, on another text.
  async measureAgain(): Promise<void> {
    if (this.pending) return this.change(this.pending);
    await this.run((signal) => this.using(signal, (variant) => this.measureNow(variant, signal)));
  }

  // Does `work` with the variant. Where the server has it no more, because it was not used for long, it is made again.
  async using<Result>(signal: AbortSignal, work: (variant: Variant) => Promise<Result>): Promise<Result> {
    if (!this.variant) throw new ServerError("There is no variant yet.", 0);
    try {
      if (this.isKnown) return await work(this.variant);
    } catch (fault) {
      if (!isForgotten(fault)) throw fault;
    }
    this.variant = await changeVariant({ rules: this.variant.rules }, null, signal, () => {});
    this.isKnown = true;
    return work(this.variant);
  }

  private async changed(change: Change, signal: AbortSignal): Promise<Variant> {
    const progress = (done: number): void => this.view.applying(done);
    const id = this.isKnown ? (this.variant?.id ?? null) : null;
    try {
      return await changeVariant(change, id, signal, progress);
    } catch (fault) {
      if (id === null || !isForgotten(fault)) throw fault;
      return changeVariant(change, null, signal, progress);
    }
  }

  private async measureNow(variant: Variant, signal: AbortSignal): Promise<void> {
    this.view.measuring();
    try {
      this.view.measured({ variant, divergence: await measure(variant.id, this.text(), signal) });
    } catch (fault) {
      if (isAborted(fault) || isForgotten(fault)) throw fault;
      this.view.notMeasured(fault);
    }
  }

  private async run(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.running?.abort();
    const controller = new AbortController();
    this.running = controller;
    try {
      await work(controller.signal);
    } catch (fault) {
      if (isAborted(fault)) return;
      this.pending = null;
      this.view.failed(fault);
    }
  }
}
