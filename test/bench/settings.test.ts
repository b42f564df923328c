import { expect, it } from 'vitest'
import { parseSettings } from '../../bench/settings.ts'

it('without arguments the bench runs everything in full, three times', () => {
  const rest = { only: '', directory: undefined, json: undefined, memory: false }
  expect(parseSettings([])).toEqual({ rounds: 3, scale: 1, ...rest })
})

it('every argument is heard', () => {
  const args = '--rounds 20 --scale 0.001 --only big --dir /d --json f.json'.split(' ')
  expect(parseSettings(args)).toEqual({
    rounds: 20,
    scale: 0.001,
    only: 'big',
    directory: '/d',
    json: 'f.json',
    memory: false,
  })
  expect(parseSettings([...args, '--help'])).toBeUndefined()
})

it('memory is measured at any scale that leaves the held blob as large as the smallest', () => {
  expect(parseSettings(['--memory'])).toMatchObject({ memory: true, scale: 1 })
  expect(parseSettings(['--memory', '--scale', '0.0625'])).toMatchObject({ memory: true, scale: 1 / 16 })
})

it.each([
  ['--rounds', '3'],
  ['--only', 'big'],
  ['--only', ''],
  ['--scale', '0.06'],
])('%s %j is refused with --memory, by both names', (name, value) => {
  expect(() => parseSettings([name, value, '--memory'])).toThrow(new RegExp(`^${name} .*--memory$`))
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
