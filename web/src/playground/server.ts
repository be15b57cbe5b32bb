// What the page asks of its server. Answers to work are streams of server-sent events.
import { parsePrintable } from "../printable";

export interface ModelFacts {
  model: string;
  layers: number;
  arithmetic: string;
  max_model_len: number;
  has_chat_template: boolean;
  formats: string[];
  recipes: string[];
}

export interface Variant {
  id: string;
  rules: string[];
  recipe: string;
  bits_per_weight: number;
  rounded_weights: number;
  seconds: number;
}

export interface Estimate {
  value: number | null;
  error: number | null;
}

export interface Divergence {
  text_tokens: number; // of the whole text
  tokens: number; // that were measured
  predictions: number;
  kld: Estimate;
  kld_max: number | null;
  baseline_ppl: Estimate;
  ppl: Estimate;
  ppl_ratio: Estimate;
  top1_agreement: Estimate;
  overflow: boolean;
  seconds: number;
}

export interface Probabilities {
  token: string;
  baseline: number | null;
  variant: number | null;
}

// A piece of an answer. What compares both sides is there where the variant wrote a token.
export interface Piece extends Partial<Probabilities> {
  side: "baseline" | "variant";
  text: string;
  kld?: number | null;
  alternatives?: Probabilities[];
  finish_reason: string | null;
}

export interface Message {
  role: string;
  content: string;
}

// What the server says of a request that is wrong. `field`: the part of the request, "rules[2]".
export class ServerError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly field: string | null = null,
  ) {
    super(message);
  }
}

interface ErrorBody {
  error?: { message?: string; param?: string | null };
}

interface Event extends ErrorBody {
  progress?: number;
  variant?: Variant;
  divergence?: Divergence;
}

// Kept as long as the page is open, and nowhere else.
let key = "";
export function giveKey(given: string): void {
  key = given;
}

function failure(status: number, body: ErrorBody): ServerError {
  return new ServerError(body.error?.message ?? `The server answered with status ${status}.`, status, body.error?.param ?? null);
}

async function send(method: string, path: string, options: RequestInit = {}): Promise<Response> {
  const headers: Record<string, string> = key ? { Authorization: `Bearer ${key}` } : {};
  let response: Response;
  try {
    response = await fetch(path, { method, headers, ...options });
  } catch (fault) {
    if (fault instanceof DOMException && fault.name === "AbortError") throw fault;
    throw new ServerError("The server does not answer: is it still running?", 0);
  }
  if (response.ok) return response;
  const text = await response.text();
  let body: ErrorBody = {};
  try {
    body = parsePrintable(text) as ErrorBody;
  } catch {
    // It was no answer of this server.
  }
  throw failure(response.status, body);
}

// Calls `seen` for each event of the answer. A stream that breaks off is an error.
async function events(path: string, fields: object, signal: AbortSignal, seen: (event: Event & Piece) => void): Promise<void> {
  const response = await send("POST", path, { body: JSON.stringify(fields), signal });
  if (!response.body) throw new ServerError("The server sent no answer.", response.status);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new ServerError("The server broke off.", 0);
    held += value;
    const lines = held.split("\n\n");
    held = lines.pop() ?? "";
    for (const line of lines) {
      const data = line.slice("data: ".length);
      if (data === "[DONE]") return;
      const event = parsePrintable(data) as Event & Piece;
      if (event.error) throw failure(400, event);
      seen(event);
    }
  }
}

// The one event that has the field, while `progress` is told of the others.
async function outcome<Field extends "variant" | "divergence">(
  field: Field, path: string, fields: object, signal: AbortSignal, progress: (done: number) => void,
): Promise<NonNullable<Event[Field]>> {
  const found: NonNullable<Event[Field]>[] = [];
  await events(path, fields, signal, (event) => {
    if (event.progress !== undefined) progress(event.progress);
    const result = (event as Event)[field];
    if (result) found.push(result);
  });
  const [result] = found;
  if (!result) throw new ServerError("The server sent no result.", 0);
  return result;
}

export async function modelFacts(): Promise<ModelFacts> {
  return parsePrintable(await (await send("GET", "/playground/model")).text()) as ModelFacts;
}

export function changeVariant(
  change: { rules: string[] } | { recipe: string }, variant: string | null, signal: AbortSignal, progress: (done: number) => void,
): Promise<Variant> {
  return outcome("variant", "/playground/variants", variant === null ? change : { ...change, variant }, signal, progress);
}

export function measure(variant: string, text: string, signal: AbortSignal): Promise<Divergence> {
  return outcome("divergence", "/playground/divergence", { variant, text }, signal, () => {});
}

export interface Sampling {
  max_tokens: number;
  temperature: number;
  seed: number;
}

export type Question = { prompt: string } | { messages: Message[]; variant_messages: Message[] };

export function ask(
  variant: string, question: Question, sampling: Sampling, signal: AbortSignal, seen: (piece: Piece) => void,
): Promise<void> {
  return events("/playground/answers", { variant, ...question, ...sampling }, signal, seen);
}

// Says that the variant is not used any more, also while the page is being closed.
export function dropVariant(variant: string): void {
  void send("DELETE", `/playground/variants/${variant}`, { keepalive: true }).catch(() => {});
}

export const isAborted = (fault: unknown): boolean => fault instanceof DOMException && fault.name === "AbortError";
export const textOf = (fault: unknown): string => (fault instanceof Error ? fault.message : String(fault));
