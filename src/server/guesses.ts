import PQueue from 'p-queue'

/** A user's name and a password that somebody has sent. */
export interface Credentials {
  readonly user: string
  readonly password: string
}

/** A login that is to be checked. */
export interface Guess extends Credentials {
  /** The same for the same credentials, and for no others. */
  readonly id: string
  /** Where it comes from. */
  readonly address: string
  /** Aborts when nobody waits for the outcome any more. */
  readonly signal?: AbortSignal | undefined
}

/** Hashing takes a tenth of a second and more. */
const maxGuessesPerAddress = 16
/** One of many users behind a proxy must not take all its places. The name need not exist: that would tell who does. */
const maxGuessesPerName = 4
const maxWaiting = 256

interface Waiting {
  readonly outcome: Promise<boolean>
  readonly askers: (AbortSignal | undefined)[]
}

/** Checks logins one at a time, those of an address that has few first. */
export class Guesses {
  readonly #check: (credentials: Credentials) => Promise<boolean>
  readonly #queue = new PQueue({ concurrency: 1 })
  readonly #addresses = new Counts()
  readonly #names = new Counts()
  readonly #waiting = new Map<string, Waiting>()

  constructor(check: (credentials: Credentials) => Promise<boolean>) {
    this.#check = check
  }

  /**
   * Whether a login is right; undefined where too many wait. One check is for all who ask the same meanwhile; it is not
   * made, and the outcome false, if all of them have gone before its turn.
   */
  outcomeOf(guess: Guess): Promise<boolean> | undefined {
    guess.signal?.throwIfAborted()
    const waiting = this.#waiting.get(guess.id)
    if (waiting === undefined) return this.#begin(guess)
    waiting.askers.push(guess.signal)
    return waiting.outcome
  }

  #begin({ id, address, user, password, signal }: Guess): Promise<boolean> | undefined {
    const name = JSON.stringify([address, user])
    const others = this.#addresses.of(address)
    const isFull = others >= maxGuessesPerAddress || this.#names.of(name) >= maxGuessesPerName
    if (isFull || this.#queue.size >= maxWaiting) return undefined
    this.#addresses.add(address, 1)
    this.#names.add(name, 1)
    const askers = [signal]
    const takeTurn = async (): Promise<boolean> => {
      try {
        const isWanted = askers.some((asker) => asker?.aborted !== true)
        return isWanted && (await this.#check({ user, password }))
      } finally {
        this.#waiting.delete(id)
        this.#addresses.add(address, -1)
        this.#names.add(name, -1)
      }
    }
    const outcome = this.#queue.add(takeTurn, { priority: -others })
    this.#waiting.set(id, { outcome, askers })
    return outcome
  }
}

/** Counts by key, and forgets the keys that are back at zero. */
class Counts {
  readonly #byKey = new Map<string, number>()

  of(key: string): number {
    return this.#byKey.get(key) ?? 0
  }

  add(key: string, change: 1 | -1): void {
    const count = this.of(key) + change
    if (count === 0) this.#byKey.delete(key)
    else this.#byKey.set(key, count)
  }
}
