import { expect, it } from 'vitest'
import { formatBytes } from '../../src/content/format-bytes.ts'

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1536, '1.5 KiB'],
  [1024 ** 2, '1.0 MiB'],
  [5.5 * 1024 ** 4, '5.5 TiB'],
  [2048 * 1024 ** 4, '2048.0 TiB'],
])('shows %d bytes as %s', (bytes, expected) => {
  expect(formatBytes(bytes)).toBe(expected)
})
