import { afterEach, beforeEach, describe } from 'vitest'
import type { Target } from '../../src/targets/target.ts'
import { abortSuite } from './contract/abort.ts'
import { contentSuite, damageSuite } from './contract/content.ts'
import { edgeSuite } from './contract/edges.ts'
import { manifestSuite } from './contract/manifests.ts'
import type { Lacks, Suite } from './contract/support.ts'
import { removalSuite, tagSuite } from './contract/tags.ts'

export type { Lacks } from './contract/support.ts'

/** A target for one test. */
export interface Made {
  /** Empty, and made with `ownTypes` as its manifest types. */
  readonly target: Target
  close?(): Promise<void>
}

/** What every target does. `make` is called for each test anew. */
export function targetContract(name: string, make: () => Promise<Made>, lacks: Lacks = []): void {
  describe(`${name} keeps the contract of a target`, () => {
    let made: Made | undefined
    beforeEach(async () => {
      made = await make()
    })
    afterEach(() => made?.close?.())
    const target = (): Target => {
      if (made === undefined) throw new Error('no target was made')
      return made.target
    }
    const suite: Suite = { target, lacks: (lack) => lacks.includes(lack) }
    describe('content', () => contentSuite(suite))
    describe('damage', () => damageSuite(suite))
    describe('manifests', () => manifestSuite(suite))
    describe('tags', () => tagSuite(suite))
    describe('removal', () => removalSuite(suite))
    describe('edges', () => edgeSuite(suite))
    describe('abort', () => abortSuite(suite))
  })
}
