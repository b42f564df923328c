import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseStrictJson, type JsonLimits } from '../../src/content/strict-json.ts'
import { InvalidManifestError, SizeExceedsLimitError } from '../../src/errors.ts'

const parse = (text: string, limits?: JsonLimits): unknown => parseStrictJson(Buffer.from(text), limits)

describe('strict JSON', () => {
  it('reads everything that JSON.stringify writes of ordinary values', () => {
    const value = fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' })
    fc.assert(
      fc.property(value, fc.constantFrom(0, 2), (original, indent) => {
        const text = JSON.stringify(original, undefined, indent)
        fc.pre(!hasUnsafeInteger(original))
        expect(parse(text)).toEqual(JSON.parse(text))
      }),
      { numRuns: 500 },
    )
  })

  it('takes nothing that JSON.parse refuses', () => {
    const token = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b"',
      '1',
      '-',
      'null',
      '\\',
      '"',
      ' ',
    )
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
        const text = tokens.join('')
        const result = attempt(() => parse(text))
        if (result.ok) expect(result.value).toEqual(JSON.parse(text))
        else expect(result.error).toBeInstanceOf(InvalidManifestError)
      }),
      { numRuns: 3000 },
    )
  })

  it.each([
    ['an object', '{"a":1,"a":2}'],
    ['an object with the same value twice', '{"a":1,"a":1}'],
    ['an escaped spelling', '{"layers":[],"l\\u0061yers":[]}'],
    ['a key after a nested object', '{"a":{"b":1},"a":2}'],
    ['a key after a nested list', '{"a":[{"a":1},[2]],"b":1,"a":2}'],
    ['an object in a list', '[[{"x":{},"x":{}}]]'],
    ['the empty key', '{"":1,"":2}'],
    ['a key with an escaped quote', '{"\\"":1,"\\u0022":2}'],
    ['__proto__', '{"__proto__":1,"__proto__":2}'],
    ['constructor', '{"constructor":1,"constructor":2}'],
  ])('refuses a key that stands twice: %s', (_, text) => {
    expect(() => parse(text)).toThrow(/stands twice/)
  })

  it('takes one key in several objects, and as text', () => {
    const text = '{"a":{"a":[{"a":"a"},{"a":"a,\\"a\\":1"}]},"b":["a","a"]}'
    expect(parse(text)).toEqual({ a: { a: [{ a: 'a' }, { a: 'a,"a":1' }] }, b: ['a', 'a'] })
  })

  it('keeps the names of properties of every object as data', () => {
    const parsed = parse('{"__proto__":{"polluted":true},"constructor":1,"toString":2,"hasOwnProperty":3}')
    expect(Object.keys(parsed as object)).toEqual(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])
    expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype)
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  })

  it.each([
    '9007199254740992',
    '9007199254740993',
    '-9007199254740993',
    '1'.repeat(400),
    '1e999',
    '-1.5E400',
  ])('refuses the number %s', (number) => {
    expect(() => parse(`{"a":[${number}]}`)).toThrow(/too large to be read exactly/)
  })

  it('takes the largest integers that a double holds, and fractions', () => {
    const text = '[9007199254740991,-9007199254740991,1.5,-0.25,1e3,1E-7,123456789012345678.5]'
    expect(parse(text)).toEqual(JSON.parse(text))
  })

  it.each(['1e3', '1E3', '1.0', '10e-1', '1.5e1'])('refuses %s for an integer of the specs', (number) => {
    expect(() => parse(`{"config":{"size":${number}}}`)).toThrow(/size is .*expected plain digits/)
    expect(() => parse(`{"schemaVersion": ${number}}`)).toThrow(InvalidManifestError)
    expect(() => parse(`{"s\\u0069ze":${number}}`)).toThrow(InvalidManifestError)
    expect(parse(`{"weight":${number},"list":["size",${number}]}`)).toHaveProperty('weight', Number(number))
  })

  it('leaves a size that is no integer to whoever knows what it is for', () => {
    expect(parse('{"size":1.5}')).toEqual({ size: 1.5 })
  })

  it.each([
    ['nothing', ''],
    ['white space', ' \n'],
    ['trailing text', '{} x'],
    ['a second document', '{}{}'],
    ['a trailing comma', '{"a":1,}'],
    ['a comment', '{/* */}'],
    ['single quotes', "{'a':1}"],
    ['a leading zero', '{"a":01}'],
    ['a number that is none', '{"a":-}'],
    ['NaN', '{"a":NaN}'],
    ['a malformed escape in a key', '{"\\x":1}'],
    ['a malformed escape in a text', '{"a":"\\u12"}'],
    ['an open text', '{"a":"b'],
    ['an open text that ends in an escape', '{"a":"b\\'],
    ['an open object', '{"a":{'],
    ['brackets that do not match', '{"a":[}]'],
    ['only closing brackets', ']]}}'],
    ['a control character in a text', '{"a":"\u0001"}'],
    ['HTML', '<!doctype html><html><body>502 Bad Gateway</body></html>'],
  ])('refuses %s', (_, text) => {
    expect(() => parse(text)).toThrow(InvalidManifestError)
  })

  it.each([
    ['a byte order mark', [0xef, 0xbb, 0xbf, 0x7b, 0x7d]],
    ['a stray continuation byte', [0x22, 0x80, 0x22]],
    ['an overlong form', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate in UTF-8', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['a truncated character', [0x22, 0xe2, 0x82, 0x22]],
    ['UTF-16', [0x7b, 0x00, 0x7d, 0x00]],
  ])('refuses %s', (_, bytes) => {
    expect(() => parseStrictJson(Uint8Array.from(bytes))).toThrow(InvalidManifestError)
  })

  it.each(['{"\\ud800":1}', '{"a":"\\udfff"}', '["\\uD83D"]', '{"a":"\\udc00\\ud800"}'])(
    'refuses a lone surrogate: %s',
    (text) => {
      expect(() => parse(text)).toThrow(/lone surrogate/)
    },
  )

  it('takes an escaped pair of surrogates', () => {
    expect(parse('{"\\ud83c\\udf89":"\\uD83C\\uDF89"}')).toEqual({ '🎉': '🎉' })
  })
})

describe('the limits of strict JSON', () => {
  it('refuse more bytes before anything is decoded', () => {
    expect(() => parseStrictJson(Buffer.alloc(11, 0xff), { maxBytes: 10 })).toThrow(SizeExceedsLimitError)
    expect(parse('"12345678"', { maxBytes: 10 })).toBe('12345678')
  })

  it('are 4 MiB by default', () => {
    expect(() => parseStrictJson(Buffer.alloc(4 * 1024 * 1024 + 1, ' '))).toThrow(SizeExceedsLimitError)
    expect(parseStrictJson(Buffer.from('1'.padEnd(4 * 1024 * 1024)))).toBe(1)
  })

  it.each(['[', '{"a":'])('refuse more levels of %s', (opening) => {
    const closing = opening === '[' ? ']' : '}'
    const nested = (depth: number): string =>
      `${opening.repeat(depth - 1)}${opening}1${closing.repeat(depth)}`
    expect(() => parse(nested(65))).toThrow(SizeExceedsLimitError)
    expect(() => parse(nested(4), { maxDepth: 3 })).toThrow(SizeExceedsLimitError)
    expect(parse(nested(64))).toBeTypeOf('object')
  })

  it('count levels, not brackets', () => {
    expect(parse(`[${'[],'.repeat(200)}[]]`, { maxDepth: 2 })).toHaveLength(201)
  })

  it('refuse a million open lists without overflowing the stack', () => {
    expect(() => parse('['.repeat(1_000_000))).toThrow(SizeExceedsLimitError)
  })

  it('refuse more values', () => {
    expect(() => parse(`[${'0,'.repeat(10)}0]`, { maxValues: 10 })).toThrow(SizeExceedsLimitError)
    expect(() => parse('[[],[],[],[],[],[]]', { maxValues: 10 })).toThrow(SizeExceedsLimitError)
    expect(() => parse(`[${'0,'.repeat(1_000_000)}0]`)).toThrow(SizeExceedsLimitError)
    expect(parse('[0,0,0,0]', { maxValues: 10 })).toEqual([0, 0, 0, 0])
  })

  it.each([
    ['digits', `[${'1'.repeat(2_000_000)}.5]`],
    ['backslashes', `["${'\\\\'.repeat(1_000_000)}"]`],
    ['minus signs', '-'.repeat(2_000_000)],
    ['numbers without separators', '1.1'.repeat(700_000)],
    ['open texts', '"'.repeat(2_000_001)],
  ])('are met in linear time by a document of %s', (_, text) => {
    const start = performance.now()
    attempt(() => parse(text))
    expect(performance.now() - start).toBeLessThan(3000)
  })

  it('keep a hostile key out of the message', () => {
    const key = 'k'.repeat(100_000)
    expect(() => parse(`{"${key}":1,"${key}":2}`)).toThrow(/^.{0,400}$/)
  })
})

type Attempt =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

function attempt(operation: () => unknown): Attempt {
  try {
    return { ok: true, value: operation() }
  } catch (error) {
    return { ok: false, error }
  }
}

function hasUnsafeInteger(value: unknown): boolean {
  if (typeof value === 'number') return /^-?\d+$/.test(String(value)) && !Number.isSafeInteger(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(hasUnsafeInteger)
}
