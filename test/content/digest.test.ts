import { describe, expect, it } from 'vitest'
import { createHasher, digestOf, isDigest, parseDigest } from '../../src/content/digest.ts'
import { InvalidDigestError } from '../../src/errors.ts'

const hex = (length: number): string => 'a1'.repeat(length / 2)

describe('a digest', () => {
  it.each([
    ['sha256', 64],
    ['sha384', 96],
    ['sha512', 128],
  ] as const)('of %s has %i characters of hexadecimal', (algorithm, length) => {
    const text = `${algorithm}:${hex(length)}`
    expect(parseDigest(text)).toEqual({ algorithm, encoded: hex(length) })
    expect(isDigest(text)).toBe(true)
  })

  it.each([
    ['nothing', ''],
    ['no colon', `sha256${hex(64)}`],
    ['the algorithm alone', 'sha256'],
    ['no encoded part', 'sha256:'],
    ['one character too few', `sha256:${hex(64).slice(1)}`],
    ['one character too many', `sha256:${hex(64)}a`],
    ['the length of another algorithm', `sha512:${hex(64)}`],
    ['upper case', `sha256:${hex(64).toUpperCase()}`],
    ['an upper-case algorithm', `SHA256:${hex(64)}`],
    ['a letter that is no digit', `sha256:${hex(62)}zz`],
    ['a path', `sha256:${'../'.repeat(21)}a`],
    ['a newline at its end', `sha256:${hex(64)}\n`],
    ['a newline instead of its last digit', `sha256:${hex(62)}a\n`],
    ['a second colon', `sha256:sha256:${hex(64).slice(7)}`],
    ['an algorithm that is not supported', `sha1:${hex(40)}`],
    ['md5', `md5:${hex(32)}`],
    ['the name of a property of every object', `constructor:${hex(64)}`],
    ['digits of another script', `sha256:${'٣'.repeat(64)}`],
  ])('is refused with %s', (_, text) => {
    expect(() => parseDigest(text)).toThrow(InvalidDigestError)
    expect(() => createHasher(text)).toThrow(InvalidDigestError)
    expect(isDigest(text)).toBe(false)
  })

  it('of a hostile length is refused with a short message', () => {
    const failure = (): unknown => parseDigest(`sha256:${'a'.repeat(100_000)}`)
    expect(failure).toThrow(/^.{0,400}$/)
  })

  it('is computed over the bytes', () => {
    expect(digestOf(Buffer.from('{}'))).toBe(
      'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
    )
    expect(digestOf(new Uint8Array())).toBe(
      'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    )
    expect(parseDigest(digestOf(Buffer.from('x'), 'sha512')).algorithm).toBe('sha512')
  })

  it('names the algorithm that a running hash uses', () => {
    for (const algorithm of ['sha256', 'sha384', 'sha512'] as const) {
      const digest = digestOf(Buffer.from('abc'), algorithm)
      const encoded = createHasher(digest).update('a').update('bc').digest('hex')
      expect(`${algorithm}:${encoded}`).toBe(digest)
    }
  })
})
