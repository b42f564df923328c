import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'

const program = createProgram({ signal: new AbortController().signal }, () => undefined)

function withSubcommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)]
}

function longFlags(command: Command): readonly string[] {
  return command.options.flatMap(({ long }) => (long === undefined ? [] : [long]))
}

function commandNamed(name: string): Command {
  const command = program.commands.find((known) => known.name() === name)
  if (command === undefined) throw new RangeError(`no command ${name}`)
  return command
}

describe('the help', () => {
  it.each(withSubcommands(program).map((command) => [command.name(), command] as const))(
    'of %s says of each flag what it does, and has no short form twice',
    (_name, command) => {
      const help = command.helpInformation()
      for (const { flags, description } of command.options) {
        expect(help).toContain(flags)
        expect(description.length, flags).toBeGreaterThan(10)
      }
      const shorts = command.options.flatMap(({ short }) => short ?? [])
      expect(shorts).toEqual([...new Set(shorts)])
    },
  )

  it('has each flag of one side of a copy for the other too, and for commands with one target', () => {
    const flags = longFlags(commandNamed('cp'))
    const modifiers = ['--to-oci', '--to-docker']
    const from = flags.filter((flag) => flag.startsWith('--from-')).map((flag) => flag.slice(7))
    const toSide = flags.filter((flag) => flag.startsWith('--to-') && !modifiers.includes(flag))
    const to = toSide.map((flag) => flag.slice(5))
    expect(from).toEqual(to)
    expect(from.length).toBeGreaterThan(5)
    const single = longFlags(commandNamed('resolve'))
    const ofCopiesAlone = ['distribution-spec']
    expect(from.filter((name) => !single.includes(`--${name}`))).toEqual(ofCopiesAlone)
  })

  it('has --debug and --audit-log for all that does something', () => {
    const working = withSubcommands(program).filter((command) => command.commands.length === 0)
    expect(working.length).toBeGreaterThan(5)
    for (const command of working) {
      expect(longFlags(command)).toEqual(expect.arrayContaining(['--debug', '--audit-log']))
    }
  })
})
