import type { Place } from './place.ts'
import { look, type Workshop } from './transfer.ts'

/** A blob of up to this size costs about as much to send as to ask for. */
const cheapBytes = 64 * 1024
/** So many blobs must have been asked for in vain before the others are taken to be absent. */
const enoughMisses = 8

/**
 * Whether a blob is at the destination. Asking costs a round trip, so it is left out where the answer is known or
 * hardly matters: the config of a new image, a small blob when every answer so far was no, and a blob that `push`
 * will try to mount. Pushing what is there after all costs bytes, and harms nothing.
 */
export class Presence {
  readonly #workshop: Workshop
  #misses = 0
  #hits = 0

  constructor(workshop: Workshop) {
    this.#workshop = workshop
  }

  async of(place: Place): Promise<'present' | 'absent' | 'unknown' | 'replace'> {
    const { destination, original, options } = this.#workshop
    const { verify = 'root' } = options
    const isCostly = verify === 'root' && destination.isRemote === true
    if (isCostly && destination.canMount?.(original) === true) return 'unknown'
    const state = await look(place, this.#workshop, () => isCostly && this.#isLikelyAbsent(place))
    if (state === 'damaged') return 'replace'
    if (state === 'present') this.#hits += 1
    else this.#misses += 1
    return state
  }

  #isLikelyAbsent({ descriptor, isNewConfig = false }: Place): boolean {
    if (descriptor.size > cheapBytes) return false
    return isNewConfig || (this.#hits === 0 && this.#misses >= enoughMisses)
  }
}
