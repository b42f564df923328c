import fc from 'fast-check'
import { expect } from 'vitest'

/** The same inputs in every run; a failure prints them with this seed. */
export const seed: number = 20_260_521

/** How texts for one parser are made. */
export interface TextShape {
  /** What its grammar is made of: whole valid parts, separators, and what nearly is one. */
  readonly pieces: readonly string[]
  /** Texts in which `␣` stands for something long; the text alone is always tried. */
  readonly frames?: readonly string[]
}

/** Asserts a property of one text, for many of them: any Unicode, and the pieces of a grammar in any order. */
export function forTexts({ pieces }: TextShape, check: (text: string) => void): void {
  fc.assert(fc.property(texts(pieces), check), { seed, numRuns: 500 })
}

/** The same for a few pieces in any order and nothing else, so that many of these texts are what a grammar allows. */
export function forPieces(pieces: readonly string[], check: (text: string) => void): void {
  const parts = fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(parts, (some) => check(some.join(''))),
    { seed, numRuns: 1000 },
  )
}

/** The same for all of `forTexts` where looking takes a disk. */
export async function forTextsSlowly(
  { pieces }: TextShape,
  check: (text: string) => Promise<void>,
): Promise<void> {
  await fc.assert(fc.asyncProperty(texts(pieces), check), { seed, numRuns: 150 })
}

/** The same for what can be the value of a header. */
export async function forHeaders(
  pieces: readonly string[],
  check: (text: string) => Promise<void>,
): Promise<void> {
  const values = fc.array(fc.constantFrom(...pieces), { maxLength: 6 }).map((parts) => parts.join(''))
  await fc.assert(fc.asyncProperty(values, check), { seed, numRuns: 150 })
}

/** Any texts in which the pieces of a grammar are frequent. */
function texts(pieces: readonly string[]): fc.Arbitrary<string> {
  const ofGrammar = fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 3 })), {
    maxLength: 12,
  })
  return fc.oneof(
    { weight: 4, arbitrary: ofGrammar.map((parts) => parts.join('')) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 80 }) },
  )
}

/**
 * Asserts that time grows with the length of a text and no faster, up to 1 MiB: parsers that go back and forth take
 * minutes for it. The short lengths end one that takes exponential time, before a long one would never end.
 */
export function expectLinear(
  { frames = [] }: Omit<TextShape, 'pieces'>,
  parse: (text: string) => void,
): void {
  for (const frame of ['␣', '␣!', 'a␣', ...frames]) {
    const lengths = [26, 29, 32, 64 * 1024, frame === '␣' ? 1024 * 1024 : 256 * 1024]
    for (const unit of units) {
      for (const length of lengths) expectQuick(frame, { unit, length }, parse)
    }
  }
}

function expectQuick(
  frame: string,
  { unit, length }: { readonly unit: string; readonly length: number },
  parse: (text: string) => void,
): void {
  const text = frame.replace('␣', () => unit.repeat(length / unit.length))
  // Time of the processor: others may be at work on this machine.
  const started = process.cpuUsage()
  parse(text)
  const { user, system } = process.cpuUsage(started)
  const label = `${length} characters of ${JSON.stringify(unit)} in ${JSON.stringify(frame)}`
  expect((user + system) / 1000, label).toBeLessThan(length > 64 * 1024 ? 2000 : 1000)
}

/** Separators, quotes, escapes, openings without ends, and what two parts of a pattern could both want. */
const units: readonly string[] = [
  'a',
  '0',
  ' ',
  '\t',
  '\n',
  '\0',
  ',',
  ';',
  ':',
  '/',
  '@',
  '=',
  '-',
  '_',
  '.',
  '<',
  '>',
  '"',
  '\\',
  '[',
  '{',
  '%',
  '\\"',
  '="',
  '",',
  '<>',
  '; ',
  'a,',
  'a=',
  'a-',
  'a/',
  '[{',
  '{"',
  '\u{1F600}',
]
