import { describe, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'

const text = async (content: AsyncIterable<Uint8Array> | undefined): Promise<string> =>
  Buffer.concat(await Array.fromAsync(content ?? [])).toString()

describe('content of bytes in hand', () => {
  it('is the same each time', async () => {
    const content = contentOf(Buffer.from('abc'))
    expect(await text(content)).toBe('abc')
    expect(await text(content)).toBe('abc')
  })

  it('goes on from an offset', async () => {
    const content = contentOf(Buffer.from('abc'))
    expect(await text(content.from?.(1))).toBe('bc')
    expect(await text(content.from?.(0))).toBe('abc')
    expect(await text(content.from?.(3))).toBe('')
  })

  it('has no chunk where it is empty', async () => {
    expect(await Array.fromAsync(contentOf(new Uint8Array()))).toEqual([])
  })
})
