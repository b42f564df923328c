import { Option, type Command } from 'commander'
import type { GraphFormat } from './output/render-graph.ts'
import { usageError } from './usage-error.ts'

/** Of `copygraph cp`: what is shown, and whether that is all. */
export interface PlanFlags {
  readonly dryRun?: boolean | undefined
  /** A file. */
  readonly plan?: string | undefined
  readonly format: 'text' | GraphFormat
}

/** For `--help`. */
export const planHelp: string = `
--dry-run reads manifests, asks the destination what it has, and writes nothing. Its JSON is a plan (the same schema), which
a later run carries out: the same command with --plan FILE instead of --dry-run and --format json. Source, destination and
what says what is copied and changed must be those of the plan; credentials, connections and limits may differ, and none
are in the file. Where the source or the tags of the destination have moved since, it fails, and nothing is tagged.
`

/** Adds the flags of `PlanFlags`. */
export function addPlanFlags(command: Command): void {
  command
    .option('--dry-run', 'show what would be copied, and why, and write nothing')
    .option('--plan <file>', 'do what --dry-run --format json has printed, if nothing has moved since')
    .addOption(
      new Option(
        '--format <format>',
        'what is printed on stdout; with --dry-run also the graph, with what becomes of each node',
      )
        .choices(['text', 'json', 'tree', 'dot', 'mermaid', 'svg', 'html'])
        .default('text'),
    )
}

/** Throws a usage error. */
export function refusePlanContradictions({ dryRun = false, plan, format }: PlanFlags): void {
  if (dryRun && plan !== undefined) {
    throw usageError('--dry-run makes a plan, and --plan carries one out: give one of them')
  }
  if (!dryRun && format !== 'text' && format !== 'json') {
    throw usageError(`--format ${format} shows a plan: add --dry-run, or see copygraph graph`)
  }
}
