import { expect, it } from 'vitest'
import { contentOf, type Content } from '../../../src/content/content.ts'
import { blob, image, read, rejection, tagsOf, unreadable, type Suite } from './support.ts'

/** An abort ends everything. */
export function abortSuite({ target }: Suite): void {
  it('does nothing when it was aborted before, and rejects with the reason itself', async () => {
    await image().pushTo(target())
    const m1 = image().descriptor('m1')
    const reason = new Error('not wanted any more')
    const options = { signal: AbortSignal.abort(reason) }
    const bytes = Buffer.from('aborted')
    expect(await rejection(target().resolve('v1', options))).toBe(reason)
    expect(await rejection(target().exists(m1, options))).toBe(reason)
    expect(await rejection((async () => read(target().fetch(m1, options)))())).toBe(reason)
    expect(await rejection(target().push(blob(bytes), unreadable(), options))).toBe(reason)
    expect(await rejection(target().tag(m1, 'v1', options))).toBe(reason)
    expect(await rejection(tagsOf(target(), options))).toBe(reason)
    expect(await rejection(Array.fromAsync(target().referrers?.(m1, options) ?? []))).toBe(reason)
    expect(await rejection(Array.fromAsync(target().predecessors?.(m1, options) ?? []))).toBe(reason)
    expect(await target().exists(blob(bytes))).toBe(false)
    expect(await tagsOf(target())).toEqual([])
  })

  it('shows nothing of a push that was aborted on the way, and rejects with the reason itself', async () => {
    const controller = new AbortController()
    const reason = new Error('stop')
    const bytes = Buffer.alloc(4 * 1024 * 1024, 'x')
    const content: Content = {
      async *[Symbol.asyncIterator]() {
        yield bytes.subarray(0, 2 * 1024 * 1024)
        controller.abort(reason)
        yield bytes.subarray(2 * 1024 * 1024)
      },
    }
    expect(await rejection(target().push(blob(bytes), content, { signal: controller.signal }))).toBe(reason)
    expect(await target().exists(blob(bytes))).toBe(false)
    expect(await target().push(blob(bytes), contentOf(bytes))).toBe('copied')
  })
}
