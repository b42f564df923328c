import { describe, expect, it } from 'vitest'
import { WaitGraph } from '../../src/copy/wait-graph.ts'

describe('A graph of waits', () => {
  it('finds a cycle when the last of it begins, also after others have ended', () => {
    const waits = new WaitGraph()
    waits.begin('other', ['b'])
    waits.begin('a', ['b'])
    waits.end('other')
    expect(() => waits.begin('b', ['c', 'a'])).toThrow('refers to itself')
  })

  it('finds what waits for itself', () => {
    expect(() => new WaitGraph().begin('a', ['a'])).toThrow('refers to itself')
  })

  it('forgets what has ended', () => {
    const waits = new WaitGraph()
    waits.begin('a', ['b', 'b'])
    waits.end('a')
    expect(() => waits.begin('b', ['a'])).not.toThrow()
  })

  it('does not look below what nobody waits for, such as each of many referrers of a large index', () => {
    const children = Array.from({ length: 1000 }, (_, at) => `child ${at}`)
    let looked = 0
    const watched = new Proxy(children, {
      get(target, name) {
        if (name === Symbol.iterator) looked += 1
        const value: unknown = Reflect.get(target, name)
        return value
      },
    })
    const waits = new WaitGraph()
    waits.begin('index', watched)
    const before = looked
    for (let at = 0; at < 5000; at++) waits.begin(`referrer ${at}`, ['index'])
    expect(looked).toBe(before)
  })
})
