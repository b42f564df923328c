import { describe, expect, it } from 'vitest'
import type { ExtendedCopyOptions } from '../../src/copy/extended-options.ts'
import { extendedCopy } from '../../src/copy/extended-copy.ts'
import type { Modifier } from '../../src/copy/modifiers/modifier.ts'
import { setAnnotations } from '../../src/copy/modifiers/set-annotations.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { graph } from '../support/graph.ts'

const drawing = graph({
  index: ['m1', 'm2'],
  m1: ['c1', 'l1', 'shared'],
  m2: ['c2', 'l2', 'shared'],
  one: { children: ['empty', 'a'], subject: 'index' },
  two: { children: ['empty', 'b'], subject: 'index' },
})
const name = (node: string, ending: string): string =>
  `${drawing.descriptor(node).digest.replace(':', '-')}.${ending}`

/** The first call takes its time, the second fails meanwhile. */
class Functions {
  active = 0
  calls = 0

  async call<T>(result: T): Promise<T> {
    this.calls += 1
    if (this.calls === 2) throw new Error('out of ideas')
    this.active += 1
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
    this.active -= 1
    return result
  }
}

const annotate = setAnnotations({ k: 'v' })
const keep: Modifier = { id: 'test.keep', parameters: null, apply: () => 'keep' }

describe('A copy that fails', () => {
  it.each<[string, (functions: Functions) => ExtendedCopyOptions]>([
    [
      'a filter',
      (functions) => ({
        filter: { keep: () => functions.call(false), parents: 'sparse' },
        referrers: 'none',
      }),
    ],
    [
      'a filter, on the way to referrers',
      (functions) => ({ filter: { keep: () => functions.call(true), parents: 'sparse' } }),
    ],
    ['a filter of what is above', (functions) => ({ ascentFilter: () => functions.call(false) })],
    [
      'a modifier of blobs',
      (functions) => ({
        modifiers: [{ ...keep, apply: (node) => (node.kind === 'blob' ? functions.call('keep') : 'keep') }],
      }),
    ],
    [
      'a modifier of manifests',
      (functions) => ({
        modifiers: [{ ...keep, apply: (node) => (node.kind === 'blob' ? 'keep' : functions.call('keep')) }],
      }),
    ],
    [
      'a memory of modifiers',
      (functions) => ({
        modifiers: [keep],
        modifierMemory: { get: () => functions.call(undefined), set: () => Promise.resolve() },
      }),
    ],
    [
      'a choice of what becomes of a tag',
      (functions) => ({
        modifiers: [annotate],
        referrers: 'root',
        ascentFilter: ({ tag }) => tag !== undefined,
        invalidated: () => functions.call('drop'),
      }),
    ],
  ])(
    'settles when no function of the caller’s runs any more, and tells nothing after that: %s',
    async (_, of) => {
      const source = new MemoryTarget()
      await drawing.pushTo(source)
      await source.tag(drawing.descriptor('index'), 'v1')
      await source.tag(drawing.descriptor('one'), name('index', 'sig'))
      await source.tag(drawing.descriptor('two'), name('index', 'att'))
      const destination = new MemoryTarget()
      const functions = new Functions()
      let hasSettled = false
      let late = 0
      const attempt = extendedCopy(source, 'v1', destination, {
        digestTags: true,
        ...of(functions),
        onEvent: () => (late += Number(hasSettled)),
      })
      await expect(attempt).rejects.toThrow('out of ideas')
      hasSettled = true
      expect(functions.active).toBe(0)
      for (let turn = 0; turn < 300; turn++) await new Promise(setImmediate)
      expect(late).toBe(0)
      expect(functions.calls).toBeGreaterThan(1)
      expect(await Array.fromAsync(destination.tags())).toEqual([])
    },
  )
})
