import { expect, it } from 'vitest'
import { renderMemory, withSlowWrites } from '../../bench/memory.ts'

const mebibyte = 1024 * 1024

/** The line of a copy of 1 GiB. */
function line(peakMebibytes: number, growthMebibytes: number): string {
  return renderMemory({
    direction: 'registry-layout (held)',
    blobBytes: 1024 * mebibyte,
    milliseconds: 20_449,
    peakBytes: peakMebibytes * mebibyte,
    growthBytes: growthMebibytes * mebibyte,
  })
}

it('a result within both limits is one line of figures', () => {
  expect(line(220, 48)).toBe('- 1024 MiB, registry-layout (held): 220 MiB (+48), 20.4 s')
  expect(line(120, 0)).toContain('120 MiB (+0), 20.4 s')
  expect(line(119.6, -3.4)).toContain('120 MiB (-3), 20.4 s')
})

it('a result says which limit it misses, by a byte too', () => {
  const byte = 1 / mebibyte
  expect(line(220 + byte, 48)).toMatch(/ s, MISSED in total$/)
  expect(line(220, 48 + byte)).toMatch(/ s, MISSED in growth$/)
  expect(line(221, 49)).toMatch(/ s, MISSED in total, MISSED in growth$/)
})

it('a layout is held back by a delay of each writev, a fiftieth of a second for its MiB', () => {
  const { program, args } = withSlowWrites({ program: '/bin/ours', args: ['cp', 'a b', '--flag'] })
  expect(program).toBe('strace')
  expect(args).toContain('--trace=writev,pwritev')
  expect(args).toContain('--inject=writev,pwritev:delay_enter=20000')
  expect(args.slice(-4)).toEqual(['/bin/ours', 'cp', 'a b', '--flag'])
})
