import { expect, it } from 'vitest'
import { parseSettings } from '../../bench/settings.ts'

it('without arguments the bench runs everything in full, three times', () => {
  const rest = { only: '', directory: undefined, json: undefined, memory: false }
  expect(parseSettings([])).toEqual({ rounds: 3, scale: 1, ...rest })
})

it('every argument is heard', () => {
  const args = '--rounds 20 --scale 0.001 --only big --dir /d --json f.json --memory'.split(' ')
  expect(parseSettings(args)).toEqual({
    rounds: 20,
    scale: 0.001,
    only: 'big',
    directory: '/d',
    json: 'f.json',
    memory: true,
  })
  expect(parseSettings([...args, '--help'])).toBeUndefined()
})

it.each([
  ['--rounds', '0'],
  ['--rounds', '21'],
  ['--rounds', '1.5'],
  ['--rounds', 'x'],
  ['--rounds', ''],
  ['--scale', '0'],
  ['--scale', '1.1'],
  ['--scale', 'NaN'],
  ['--scale', ''],
  ['--scale', '-1'],
  ['--scales', '1'],
  ['big', ''],
])('%s %j is refused, by its name', (...args) => {
  const bare = args[0].replace(/^--/, '')
  expect(() => parseSettings(args)).toThrow(bare)
})
