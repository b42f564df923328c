import { Option, type Command } from 'commander'
import * as values from './flag-values.ts'
import * as flags from './flags.ts'
import { exitCodesHelp } from './output/exit-codes.ts'
import { referencesHelp } from './output/references-help.ts'
import type { CommandContext, OnExitCode } from './program.ts'
import { parseTemplate } from './template.ts'

/** Adds `graph` and `discover`, which show what is around a node. */
export function addGraphCommands(program: Command, context: CommandContext, onExitCode: OnExitCode): void {
  addGraph(program, context, onExitCode)
  addDiscover(program, context, onExitCode)
}

function addGraph(program: Command, context: CommandContext, onExitCode: OnExitCode): void {
  const command = program
    .command('graph')
    .summary('show what is under a reference, and what refers to it')
    .description('Prints the graph around a reference: as text, as data, or as a picture.')
    .argument('<reference>')
    .addOption(
      new Option(
        '--direction <way>',
        'what is under it, what refers to it, or both (both, where referrers can be found)',
      ).choices(['down', 'up', 'both']),
    )
    .addOption(
      new Option('--depth <number>', 'leave out what is further away (no limit)').argParser(values.count),
    )
    .addOption(
      new Option('--format <format>', 'what is printed on stdout; svg and html take 1,000 nodes at most')
        .choices(['tree', 'json', 'dot', 'mermaid', 'svg', 'html'])
        .default('tree'),
    )
  addNodeFlags(command).action(async (reference: string, given: flags.GraphFlags) => {
    const { graph } = await import('./commands/graph.ts')
    onExitCode(await graph(reference, given, context))
  })
}

const discoverHelp = `
A template has {{reference}}, {{digest}}, {{mediaType}}, {{artifactType}}, {{size}} and {{annotations.KEY}}.
`

function addDiscover(program: Command, context: CommandContext, onExitCode: OnExitCode): void {
  const command = program
    .command('discover')
    .summary('list the referrers of a reference: signatures, SBOMs, attestations')
    .description('Prints the referrers of a reference by artifact type, and the referrers of those.')
    .argument('<reference>')
    .option('--artifact-type <type>', 'only referrers of this artifact type, and of those the same')
    .addOption(
      new Option('--depth <number>', '1 for its own referrers alone (no limit)').argParser(
        values.positiveInteger,
      ),
    )
    .addOption(
      new Option('--format <format>', 'what is printed on stdout').choices(['tree', 'json']).default('tree'),
    )
    .addOption(
      new Option('--template <text>', 'a line for each referrer instead, such as {{digest}}')
        .argParser(parseTemplate)
        .conflicts('format'),
    )
  addNodeFlags(command)
    .addHelpText('after', discoverHelp)
    .action(async (reference: string, given: flags.DiscoverFlags) => {
      const { discover } = await import('./commands/discover.ts')
      onExitCode(await discover(reference, given, context))
    })
}

/** Of a command that looks at what is around one node. */
function addNodeFlags(command: Command): Command {
  flags.addPlatformFlag(command)
  flags.addLayoutFlag(command)
  flags.addConnectionFlags(command)
  flags.addReferrersFlag(command)
  flags.addSharedFlags(command)
  return flags.addCommonFlags(command).addHelpText('after', referencesHelp + exitCodesHelp)
}
