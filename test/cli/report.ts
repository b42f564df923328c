import { readFile } from 'node:fs/promises'
import { expect } from 'vitest'
import { z } from 'zod'
import type { CopyReport } from '../../src/cli/output/report.ts'
import { runCommand } from './command.ts'

const schema = z.fromJSONSchema(
  JSON.parse(await readFile(new URL('../../docs/cp-report.schema.json', import.meta.url), 'utf8')),
)

/** What `cp --format json` printed, checked by the published schema, and what it wrote to stderr. */
export async function runReport(
  args: readonly string[],
): Promise<{ readonly report: CopyReport; readonly stderr: string }> {
  const { code, stdout, stderr } = await runCommand(['cp', '--format', 'json', ...args])
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  const report = JSON.parse(stdout)
  expect(schema.parse(report)).toEqual(report)
  return { report, stderr }
}
