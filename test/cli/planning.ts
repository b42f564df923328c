import { readFile } from 'node:fs/promises'
import { expect } from 'vitest'
import { z } from 'zod'
import type { Plan } from '../../src/copy/plan-types.ts'
import type { TestRegistry } from '../support/registry.ts'
import { runCommand, type CommandOptions } from './command.ts'

const schema = z.fromJSONSchema(
  JSON.parse(await readFile(new URL('../../docs/cp-report.schema.json', import.meta.url), 'utf8')),
)

export type SavedPlan = Plan & { readonly source: string; readonly destination: string }

export interface Planned {
  /** As it was printed. */
  readonly text: string
  readonly plan: SavedPlan
}

/** What `cp --dry-run --format json` printed, checked by the published schema. */
export async function makePlan(args: readonly string[], options: CommandOptions = {}): Promise<Planned> {
  const { code, stdout, stderr } = await runCommand(['cp', '--dry-run', '--format', 'json', ...args], options)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const plan: SavedPlan = JSON.parse(stdout)
  expect(schema.parse(plan)).toEqual(plan)
  return { text: stdout, plan }
}

/** The requests that change something. */
export function writesIn(registry: TestRegistry): readonly string[] {
  return registry.requests.filter((request) => !/^(?:GET|HEAD) /.test(request))
}

/** By digest. */
export function actionsOf(nodes: readonly { readonly digest: string; readonly action: string }[]): object {
  return Object.fromEntries(nodes.map(({ digest, action }) => [digest, action]))
}
