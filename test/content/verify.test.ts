import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { contentOf, type Content } from '../../src/content/content.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { digestOf, type DigestAlgorithm } from '../../src/content/digest.ts'
import { embeddedData, readAll, stoppable, tap, verify, verifyBytes } from '../../src/content/verify.ts'
import {
  DigestMismatchError,
  InvalidDigestError,
  SizeExceedsLimitError,
  SizeMismatchError,
} from '../../src/errors.ts'

const describeText = (text: string, algorithm?: DigestAlgorithm): Descriptor => ({
  mediaType: 'text/plain',
  digest: digestOf(Buffer.from(text), algorithm),
  size: Buffer.byteLength(text),
})

/** Content in chunks, and what happened to it. */
interface Watched extends Content {
  opened: number
  given: number
  closed: number
}

function chunks(...texts: readonly string[]): Watched {
  return {
    opened: 0,
    given: 0,
    closed: 0,
    async *[Symbol.asyncIterator]() {
      this.opened += 1
      try {
        for (const text of texts) {
          this.given += 1
          yield Buffer.from(text)
        }
      } finally {
        this.closed += 1
      }
    },
  }
}

/** What came out before the end or the error. */
async function drain(content: AsyncIterable<Uint8Array>): Promise<{ text: string; error: unknown }> {
  let text = ''
  try {
    for await (const chunk of content) text += Buffer.from(chunk).toString()
  } catch (error) {
    return { text, error }
  }
  return { text, error: undefined }
}

describe('verified content', () => {
  it.each(['sha256', 'sha384', 'sha512'] as const)('gives bytes that match by %s', async (algorithm) => {
    const content = verify(chunks('ab', 'c'), describeText('abc', algorithm))
    expect(await drain(content)).toEqual({ text: 'abc', error: undefined })
  })

  it('opens nothing before it is iterated, and opens it anew each time', async () => {
    const inner = chunks('ab', 'c')
    const content = verify(inner, describeText('abc'))
    expect(inner.opened).toBe(0)
    await drain(content)
    expect(await drain(content)).toEqual({ text: 'abc', error: undefined })
    expect(inner).toMatchObject({ opened: 2, closed: 2 })
  })

  it('may be iterated by two at once', async () => {
    const content = verify(chunks('ab', 'c'), describeText('abc'))
    const both = await Promise.all([drain(content), drain(content)])
    expect(both).toEqual([
      { text: 'abc', error: undefined },
      { text: 'abc', error: undefined },
    ])
  })

  it('that is too short fails at its end', async () => {
    const { text, error } = await drain(verify(chunks('ab'), describeText('abc')))
    expect(text).toBe('ab')
    expect(error).toBeInstanceOf(SizeMismatchError)
    expect(String(error)).toMatch(/sha256:\w+ should have 3 bytes, but has 2/)
  })

  it('that has nothing fails where something was promised', async () => {
    expect((await drain(verify(chunks(), describeText('abc')))).error).toBeInstanceOf(SizeMismatchError)
  })

  it('that is too long fails at the first byte too many, and reads no more of it', async () => {
    const inner = chunks('abc', 'd', 'e', 'f')
    const { text, error } = await drain(verify(inner, describeText('abc')))
    expect(text).toBe('abc')
    expect(error).toBeInstanceOf(SizeMismatchError)
    expect(inner).toMatchObject({ given: 2, closed: 1 })
  })

  it('that is too long in one chunk gives nothing of it', async () => {
    expect(await drain(verify(chunks('abcd'), describeText('abc')))).toEqual({
      text: '',
      error: expect.any(SizeMismatchError),
    })
  })

  it('of another digest fails before its last chunk is given away', async () => {
    const inner = chunks('ab', 'X')
    const { text, error } = await drain(verify(inner, describeText('abc')))
    expect(text).toBe('ab')
    expect(error).toBeInstanceOf(DigestMismatchError)
    expect(String(error)).toContain(digestOf(Buffer.from('abX')))
    expect(inner.closed).toBe(1)
  })

  it('takes empty chunks for nothing, wherever they are', async () => {
    const content = verify(chunks('', 'ab', '', 'c', '', ''), describeText('abc'))
    expect(await drain(content)).toEqual({ text: 'abc', error: undefined })
    expect(await drain(verify(chunks('', ''), describeText('')))).toEqual({ text: '', error: undefined })
  })

  it('may be empty, and must then be so', async () => {
    expect(await drain(verify(chunks(), describeText('')))).toEqual({ text: '', error: undefined })
    expect((await drain(verify(chunks('a'), describeText('')))).error).toBeInstanceOf(SizeMismatchError)
    const wrong = { ...describeText('a'), size: 0 }
    expect((await drain(verify(chunks(), wrong))).error).toBeInstanceOf(DigestMismatchError)
  })

  it('hands on an error of the content as it is', async () => {
    const failure = new Error('broken')
    const content = verify(broken('ab', failure), describeText('abc'))
    expect(await drain(content)).toEqual({ text: 'ab', error: failure })
  })

  it('closes the content when its reader stops early', async () => {
    const inner = chunks('ab', 'c')
    for await (const chunk of verify(inner, describeText('abc'))) {
      expect(Buffer.from(chunk).toString()).toBe('ab')
      break
    }
    expect(inner).toMatchObject({ given: 1, closed: 1 })
  })

  it('has the file and the offsets of what it verifies', async () => {
    const inner: Content = { ...contentOf(Buffer.from('abc')), file: '/some/file' }
    for (const content of [verify(inner, describeText('abc')), tap(inner, () => {})]) {
      expect(content.file).toBe('/some/file')
      expect(await drain(content.from?.(1) ?? chunks())).toEqual({ text: 'bc', error: undefined })
    }
    const bare = verify(chunks('abc'), describeText('abc'))
    expect([bare.file, bare.from]).toEqual([undefined, undefined])
  })

  it.each(['', 'sha256:abc', `md5:${'a'.repeat(32)}`])('needs a digest, not %j', (digest) => {
    expect(() => verify(chunks('abc'), { ...describeText('abc'), digest })).toThrow(InvalidDigestError)
  })

  it.each([-1, 1.5, NaN, Infinity])('needs a size, not %d', async (size) => {
    expect(() => verify(chunks(), { ...describeText('abc'), size })).toThrow(RangeError)
    await expect(readAll(chunks('a'), { ...describeText('abc'), size }, Infinity)).rejects.toThrow(RangeError)
  })
})

describe('content that is verified already', () => {
  const descriptor = describeText('abc')

  it('is not wrapped again for the same digest and size', () => {
    const content = verify(chunks('abc'), descriptor)
    expect(verify(content, descriptor)).toBe(content)
    expect(verify(content, { ...descriptor, mediaType: 'a/b', annotations: { a: 'b' } })).toBe(content)
  })

  it('stays verified when it is tapped', () => {
    const content = tap(
      tap(verify(chunks('abc'), descriptor), () => {}),
      () => {},
    )
    expect(verify(content, descriptor)).toBe(content)
  })

  it('still fails on wrong bytes when it is tapped, and the tap hears both', async () => {
    const seen: string[] = []
    const failures: unknown[] = []
    const content = tap(
      verify(chunks('ab', 'X'), descriptor),
      (chunk) => seen.push(Buffer.from(chunk).toString()),
      (error) => failures.push(error),
    )
    const { text, error } = await drain(verify(content, descriptor))
    expect(text).toBe('ab')
    expect(seen).toEqual(['ab'])
    expect(error).toBeInstanceOf(DigestMismatchError)
    expect(failures).toEqual([error])
  })

  it('is verified again for another digest, or another size', async () => {
    const content = verify(chunks('abc'), descriptor)
    expect(await drain(verify(content, describeText('abc', 'sha512')))).toEqual({
      text: 'abc',
      error: undefined,
    })
    expect((await drain(verify(content, describeText('abd')))).error).toBeInstanceOf(DigestMismatchError)
    expect((await drain(verify(content, { ...descriptor, size: 2 }))).error).toBeInstanceOf(SizeMismatchError)
  })

  it('is not what a tap makes of content that nobody verified', async () => {
    const tapped = tap(chunks('abX'), () => {})
    expect((await drain(verify(tapped, descriptor))).error).toBeInstanceOf(DigestMismatchError)
  })

  it('is watched from an offset on too, its failure included', async () => {
    const seen: string[] = []
    const failures: unknown[] = []
    const failure = new Error('failure')
    const inner: Content = {
      ...chunks('abc'),
      async *from(offset) {
        yield Buffer.from('abc').subarray(offset)
        throw failure
      },
    }
    const content = tap(
      verify(inner, descriptor),
      (chunk) => seen.push(Buffer.from(chunk).toString()),
      (error) => failures.push(error),
    )
    expect(await drain(content.from?.(1) ?? chunks())).toEqual({ text: 'bc', error: failure })
    expect([seen, failures]).toEqual([['bc'], [failure]])
  })

  it('hears nothing of an error when its reader stops early', async () => {
    const failures: unknown[] = []
    const content = tap(
      chunks('ab', 'c'),
      () => {},
      (error) => failures.push(error),
    )
    for await (const chunk of content) {
      expect(chunk).toHaveLength(2)
      break
    }
    expect(failures).toEqual([])
  })
})

describe('content that can be stopped', () => {
  const descriptor = describeText('abc')

  /** Gives one chunk, and then waits until its signal aborts. */
  const stalled = (signal?: AbortSignal): Content => ({
    async *[Symbol.asyncIterator]() {
      yield Buffer.from('ab')
      await delay(60_000, undefined, { signal })
    },
  })

  it('ends the wait for a chunk when its reader stops', async () => {
    const reader = stoppable(stalled)[Symbol.asyncIterator]()
    expect(Buffer.from((await reader.next()).value ?? '').toString()).toBe('ab')
    const waiting = reader.next()
    const ends = await Promise.allSettled([waiting, reader.return?.()])
    expect(ends).toMatchObject([{ reason: { name: 'AbortError' } }, { value: { done: true } }])
  })

  it('ends the wait for a chunk from an offset on when its reader stops', async () => {
    const content = stoppable((signal) => ({ ...stalled(signal), from: () => stalled(signal) }))
    const reader = content.from?.(1)[Symbol.asyncIterator]()
    await reader?.next()
    const waiting = reader?.next()
    const ends = await Promise.allSettled([waiting, reader?.return?.()])
    expect(ends).toMatchObject([{ reason: { name: 'AbortError' } }, { value: { done: true } }])
  })

  it('can be read again after it was stopped, and while it is read', async () => {
    const signals: (AbortSignal | undefined)[] = []
    const content = stoppable((signal) => {
      signals.push(signal)
      return chunks('ab', 'c')
    })
    const reader = content[Symbol.asyncIterator]()
    await reader.next()
    const other = content[Symbol.asyncIterator]()
    await reader.return?.()
    expect(await drain({ [Symbol.asyncIterator]: () => other })).toEqual({ text: 'abc', error: undefined })
    expect(await drain(content)).toEqual({ text: 'abc', error: undefined })
    // Opened once for what it has besides its chunks, and once for each of its three readers.
    expect(signals.map((signal) => signal?.aborted)).toEqual([undefined, true, false, false])
  })

  it('is verified if what it opens is, and keeps its file', () => {
    const inner: Content = { ...contentOf(Buffer.from('abc')), file: '/some/file' }
    const verified = stoppable(() => verify(inner, descriptor))
    expect(verify(verified, descriptor)).toBe(verified)
    expect(verified.file).toBe('/some/file')
    const plain = stoppable(() => inner)
    expect(verify(plain, descriptor)).not.toBe(plain)
  })
})

describe('reading all of small content', () => {
  it('gives the bytes, from one chunk and from several', async () => {
    expect(Buffer.from(await readAll(chunks('abc'), describeText('abc'))).toString()).toBe('abc')
    expect(Buffer.from(await readAll(chunks('a', 'b', 'c'), describeText('abc'))).toString()).toBe('abc')
    expect(await readAll(chunks(), describeText(''))).toHaveLength(0)
  })

  it('fails before it opens what is said to be too large', async () => {
    const inner = chunks('abcd')
    await expect(readAll(inner, describeText('abcd'), 3)).rejects.toThrow(SizeExceedsLimitError)
    expect(inner.opened).toBe(0)
  })

  it('takes 4 MiB by default', async () => {
    const large = { ...describeText('a'), size: 4 * 1024 * 1024 + 1 }
    await expect(readAll(chunks('a'), large)).rejects.toThrow(SizeExceedsLimitError)
    const text = 'a'.repeat(4 * 1024 * 1024)
    expect(await readAll(chunks(text), describeText(text))).toHaveLength(4 * 1024 * 1024)
  })

  it('does not read on in an endless body', async () => {
    let given = 0
    const endless: Content = {
      async *[Symbol.asyncIterator]() {
        for (;;) {
          given += 1
          yield Buffer.alloc(1000)
        }
      },
    }
    await expect(readAll(endless, describeText('abc'))).rejects.toThrow(SizeMismatchError)
    expect(given).toBe(1)
  })

  it.each([
    ['ab', SizeMismatchError],
    ['abcd', SizeMismatchError],
    ['abX', DigestMismatchError],
  ])('refuses %s for abc', async (text, failure) => {
    await expect(readAll(chunks(text), describeText('abc'))).rejects.toThrow(failure)
    expect(() => verifyBytes(Buffer.from(text), describeText('abc'))).toThrow(failure)
  })

  it('accepts bytes in hand that match', () => {
    expect(() => verifyBytes(Buffer.from('abc'), describeText('abc', 'sha384'))).not.toThrow()
    expect(() => verifyBytes(Buffer.alloc(0), describeText(''))).not.toThrow()
  })
})

describe('embedded data', () => {
  const descriptor = describeText('abc')
  const encoded = Buffer.from('abc').toString('base64')

  it('is used when it is what the descriptor says', () => {
    expect(Buffer.from(embeddedData({ ...descriptor, data: encoded }) ?? []).toString()).toBe('abc')
    expect(embeddedData({ ...describeText(''), data: '' })).toHaveLength(0)
  })

  it('counts for nothing when its digest is right and its size is not', () => {
    expect(embeddedData({ ...descriptor, size: 4, data: encoded })).toBeUndefined()
  })

  it.each([
    ['missing', undefined],
    ['of another digest', Buffer.from('abX').toString('base64')],
    ['too short', Buffer.from('ab').toString('base64')],
    ['too long', Buffer.from('abcd').toString('base64')],
    ['empty', ''],
    ['no base64', '!!!'],
  ])('counts for nothing when it is %s', (_, data) => {
    expect(embeddedData({ ...descriptor, ...(data !== undefined && { data }) })).toBeUndefined()
  })
})

function broken(text: string, failure: Error): Content {
  return {
    async *[Symbol.asyncIterator]() {
      yield Buffer.from(text)
      throw failure
    },
  }
}
