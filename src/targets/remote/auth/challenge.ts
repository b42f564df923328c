/** One challenge of a WWW-Authenticate header. */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string
  /** By name in lower case; of a name that stands twice, the first. */
  readonly parameters: ReadonlyMap<string, string>
}

/**
 * The challenges of all WWW-Authenticate headers of a response, in order (RFC 9110, section 11.6.1). A name that `=`
 * follows is a parameter, any other name a scheme. Linear, and never throws: what is malformed is passed over.
 */
export function parseChallenges(headers: readonly string[]): readonly Challenge[] {
  return headers.flatMap((header) => new ChallengeParser(header).parse())
}

const token = /[!#$%&'*+\-.^_`|~\w/]+/y
const spaces = /[ \t]*/y

class ChallengeParser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  parse(): readonly Challenge[] {
    const challenges: { scheme: string; parameters: Map<string, string> }[] = []
    while (this.#at < this.#text.length) {
      const name = this.#match(token).toLowerCase()
      const afterName = this.#at
      this.#match(spaces)
      if (name === '') this.#skip(afterName)
      else if (!this.#take('=')) challenges.push({ scheme: name, parameters: new Map() })
      else this.#parameter(name, challenges.at(-1)?.parameters)
    }
    return challenges
  }

  #parameter(name: string, parameters: Map<string, string> | undefined): void {
    this.#match(spaces)
    const value = this.#take('"') ? this.#quoted() : this.#match(token)
    if (parameters?.has(name) === false) parameters.set(name, value)
  }

  /** After the opening quote, to the closing one or the end. */
  #quoted(): string {
    let value = ''
    for (; this.#at < this.#text.length; this.#at++) {
      const character = this.#text.charAt(this.#at)
      if (character === '"') break
      if (character === '\\') this.#at += 1
      value += this.#text.charAt(this.#at)
    }
    this.#at += 1
    return value
  }

  /** A comma, or something that does not belong here; spaces may have moved us on already. */
  #skip(before: number): void {
    if (this.#at === before) this.#at += 1
  }

  #take(character: string): boolean {
    if (this.#text.charAt(this.#at) !== character) return false
    this.#at += 1
    return true
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const matched = pattern.exec(this.#text)?.[0] ?? ''
    this.#at += matched.length
    return matched
  }
}
