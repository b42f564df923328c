import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  emptyIndexJson,
  insert,
  isPlain,
  lists,
  parseIndexJson,
  plainEntry,
  renamed,
  serializeIndexJson,
  without,
} from '../../../src/targets/oci-layout/index-json.ts'
import { graph } from '../../support/graph.ts'

const m1 = graph({ m1: ['config'] }).descriptor('m1')

describe('index.json', () => {
  it('comes out as it went in, whatever fields it has', () => {
    const json = fc.jsonValue({ maxDepth: 3 }).filter((value) => !hasLossyNumber(value))
    const object = fc.dictionary(
      fc.string().filter((key) => key.toLowerCase() !== 'manifests'),
      json,
    )
    fc.assert(
      fc.property(object, fc.array(object, { maxLength: 5 }), (fields, manifests) => {
        const text = JSON.stringify({ ...fields, schemaVersion: 2, manifests })
        const index = parseIndexJson(Buffer.from(text), 'index.json')
        expect(Buffer.from(serializeIndexJson(index)).toString()).toBe(text)
      }),
    )
  })

  it('keeps all other entries when one is added, renamed and removed', () => {
    const entry = fc.dictionary(fc.string(), fc.string())
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 5 }), fc.string({ minLength: 1 }), (manifests, tag) => {
        const text = JSON.stringify({ schemaVersion: 2, manifests })
        const before = parseIndexJson(Buffer.from(text), 'index.json')
        const added = renamed(plainEntry(m1), tag)
        const after = insert(before, added)
        expect(lists(after, m1)).toBe(true)
        const back = without(after, (other) => other === added)
        expect(Buffer.from(serializeIndexJson(back)).toString()).toBe(text)
        expect(renamed(added, undefined)).toEqual(plainEntry(m1))
      }),
    )
  })

  it('sorts what is inserted by tag and digest, untagged entries last', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(['', 'a', 'B', 'b', '_', '10', '9'], { minLength: 7 }), (tags) => {
        const entries = tags.map((tag) => renamed(plainEntry(m1), tag === '' ? undefined : tag))
        const { entries: sorted } = entries.reduce(insert, emptyIndexJson)
        expect(sorted.map(({ name }) => name)).toEqual(['10', '9', 'B', '_', 'a', 'b', undefined])
      }),
    )
  })

  it('knows an entry that says nothing but its node', () => {
    expect(isPlain(plainEntry(m1))).toBe(true)
    expect(isPlain(renamed(plainEntry(m1), 'v1'))).toBe(false)
  })

  it('is not written larger than it can be read', () => {
    const large = renamed(plainEntry(m1), 'x'.repeat(33 * 1024 * 1024))
    const index = insert(insert(emptyIndexJson, large), large)
    expect(() => serializeIndexJson(index)).toThrow(expect.objectContaining({ code: 'SIZE_EXCEEDS_LIMIT' }))
  })
})

/** -0 is 0 in JSON, and integers above 2^53 are refused. */
function hasLossyNumber(value: unknown): boolean {
  if (typeof value === 'number') return Object.is(value, -0) || Math.abs(value) > Number.MAX_SAFE_INTEGER
  if (typeof value !== 'object' || value === null) return false
  return Object.values(value).some(hasLossyNumber)
}
