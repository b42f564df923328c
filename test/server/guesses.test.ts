import { expect, it } from 'vitest'
import { Guesses, type Guess } from '../../src/server/guesses.ts'

const address = '192.0.2.1'

function guess(user: string, password: string, more: Partial<Guess> = {}): Guess {
  return { id: `${user}:${password}`, user, password, address, ...more }
}

/** Guesses whose checks all wait for `open`, and are written down when they begin; only `secret` is right. */
function heldGuesses() {
  const checked: string[] = []
  const { promise, resolve: open } = Promise.withResolvers<void>()
  const guesses = new Guesses(async ({ user, password }) => {
    checked.push(user)
    await promise
    return password === 'secret'
  })
  return { guesses, checked, open }
}

it('one check is for all who ask the same meanwhile, and the next one is made anew', async () => {
  const { guesses, checked, open } = heldGuesses()
  const outcomes = Array.from({ length: 100 }, async () => guesses.outcomeOf(guess('ann', 'secret')))
  open()
  expect(await Promise.all(outcomes)).toEqual(outcomes.map(() => true))
  expect(checked).toEqual(['ann'])
  expect(await guesses.outcomeOf(guess('ann', 'secret'))).toBe(true)
  expect(checked).toEqual(['ann', 'ann'])
})

it('an address has sixteen guesses wait, four of them under one name, and all addresses some hundreds', async () => {
  const { guesses, open } = heldGuesses()
  const taken = (from: string, name: (at: number) => string): number => {
    const all = Array.from({ length: 20 }, (_, at) =>
      guesses.outcomeOf(guess(name(at), String(at), { id: `${from} ${name(at)} ${at}`, address: from })),
    )
    return all.filter((outcome) => outcome !== undefined).length
  }
  expect(taken(address, () => 'ann')).toBe(4)
  expect(taken(address, (at) => `user${at}`)).toBe(12)
  const elsewhere = Array.from({ length: 50 }, (_, at) => taken(`198.51.100.${at}`, (user) => `user${user}`))
  // One is being checked and does not wait.
  expect(elsewhere.reduce((sum, count) => sum + count, 16)).toBe(257)
  open()
  await guesses.outcomeOf(guess('ann', '0'))
  await expect.poll(() => guesses.outcomeOf(guess('bob', 'secret'))).toBe(true)
})

it('guesses of an address that has few come first', async () => {
  const { guesses, checked, open } = heldGuesses()
  const many = ['a', 'b', 'c', 'd'].map(async (user) => guesses.outcomeOf(guess(user, '')))
  const one = guesses.outcomeOf(guess('ann', 'secret', { address: '192.0.2.2' }))
  open()
  expect(await one).toBe(true)
  await Promise.all(many)
  expect(checked).toEqual(['a', 'ann', 'b', 'c', 'd'])
})

it('what nobody waits for is not checked, and takes no place', async () => {
  const { guesses, checked, open } = heldGuesses()
  const gone = new AbortController()
  const running = guesses.outcomeOf(guess('ann', '1'))
  const left = Array.from({ length: 3 }, (_, at) =>
    guesses.outcomeOf(guess('ann', `left ${at}`, { signal: gone.signal })),
  )
  const shared = guesses.outcomeOf(guess('bob', 'secret', { signal: gone.signal }))
  expect(guesses.outcomeOf(guess('bob', 'secret', { signal: new AbortController().signal }))).toBe(shared)
  expect(guesses.outcomeOf(guess('ann', 'more'))).toBeUndefined()
  gone.abort(new Error('gone'))
  open()
  expect(await Promise.all([running, ...left, shared])).toEqual([false, false, false, false, true])
  expect(checked).toEqual(['ann', 'bob'])
  expect(await guesses.outcomeOf(guess('ann', 'secret'))).toBe(true)
  expect(() => guesses.outcomeOf(guess('ann', 'secret', { signal: gone.signal }))).toThrow('gone')
})

it('a check that fails says so, and is forgotten', async () => {
  let failures = 0
  const guesses = new Guesses(async () => {
    failures += 1
    throw new Error('no thread')
  })
  for (let at = 1; at <= 5; at++) {
    await expect(guesses.outcomeOf(guess('ann', 'secret'))).rejects.toThrow('no thread')
    expect(failures).toBe(at)
  }
})
