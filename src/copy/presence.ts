import type { ReachedNode } from './reached-node.ts'
import { look, type Workshop } from './transfer.ts'

/** A blob of up to this size costs about as much to send as to ask for. */
const cheapBytes = 64 * 1024
/** So many small blobs are asked for; if none of them is there, the others are taken to be absent. */
const sampleSize = 8

/** What is known of a blob before it is pushed. */
type BlobPresence = 'present' | 'absent' | 'unknown' | 'replace'

/**
 * Whether a blob is at the destination. Asking costs a round trip, so it is left out where the answer is known or
 * hardly matters: the config of a new image, a small blob when every answer so far was no, and a blob that `push`
 * will try to mount. Pushing what is there after all costs bytes, and harms nothing.
 */
export class Presence {
  readonly #workshop: Workshop
  readonly #sample: Promise<BlobPresence>[] = []
  #isAnyPresent = false

  constructor(workshop: Workshop) {
    this.#workshop = workshop
  }

  async of(node: ReachedNode): Promise<BlobPresence> {
    const { destination, original, options } = this.#workshop
    const { verify = 'root' } = options
    const isCostly = verify === 'root' && destination.isRemote === true
    if (isCostly && destination.canMount?.(original) === true) return 'unknown'
    if (!isCostly || node.descriptor.size > cheapBytes) return this.#ask(node)
    if (node.isNewConfig === true) return 'absent'
    if (this.#sample.length < sampleSize) {
      const asked = this.#ask(node)
      this.#sample.push(asked)
      return asked
    }
    await Promise.all(this.#sample)
    return this.#isAnyPresent ? this.#ask(node) : 'absent'
  }

  async #ask(node: ReachedNode): Promise<BlobPresence> {
    const state = await look(node, this.#workshop)
    if (state === 'damaged') return 'replace'
    this.#isAnyPresent ||= state === 'present'
    return state
  }
}
