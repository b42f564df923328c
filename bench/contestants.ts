import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { repository } from './exchange.ts'
import { findProgram } from './find-program.ts'
import { tag } from './image.ts'
import type { Command } from './measure.ts'

/** One end of a copy: a layout's folder, or a registry's host. */
export type Place =
  | { readonly kind: 'layout'; readonly directory: string }
  | { readonly kind: 'registry'; readonly host: string }

/** A program that can copy an image. */
export interface Contestant {
  readonly name: string
  /** Its path, or undefined where it is not installed. */
  readonly program: string | undefined
  /** The command that copies the image from one place to another. */
  command(source: Place, destination: Place): Command
}

/** The name of the program that the bench is about. */
export const ours = 'copygraph'

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

/** Ours, which is run as its users run it, and the peers; each with the settings it comes with. */
export function contestants(): readonly Contestant[] {
  return [
    contestant(ours, existsSync(main) ? process.execPath : undefined, (source, destination) => [
      main,
      'cp',
      '--quiet',
      reference(source, ''),
      reference(destination, ''),
    ]),
    contestant('oras-go', findProgram('orascopy'), (source, destination) => [
      reference(source, 'http://'),
      reference(destination, 'http://'),
    ]),
    contestant('crane', findProgram('crane'), craneArguments),
    contestant('regctl', findProgram('regctl'), (source, destination) =>
      regctlArguments(source, destination),
    ),
    contestant('skopeo', findProgram('skopeo'), (source, destination) => [
      'copy',
      '--quiet',
      '--all',
      '--insecure-policy',
      '--preserve-digests',
      ...(source.kind === 'registry' ? ['--src-tls-verify=false'] : []),
      ...(destination.kind === 'registry' ? ['--dest-tls-verify=false'] : []),
      reference(source, 'docker://'),
      reference(destination, 'docker://'),
    ]),
  ]
}

/** Those of them that also copy what refers to an image, between registries. */
export function referrersContestants(): readonly Contestant[] {
  return [
    contestant(ours, existsSync(main) ? process.execPath : undefined, (source, destination) => [
      main,
      'cp',
      '--recursive',
      '--quiet',
      reference(source, ''),
      reference(destination, ''),
    ]),
    contestant('oras-go', findProgram('orascopy'), (source, destination) => [
      '--extended',
      reference(source, 'http://'),
      reference(destination, 'http://'),
    ]),
    contestant('regctl', findProgram('regctl'), (source, destination) =>
      regctlArguments(source, destination, ['--referrers']),
    ),
  ]
}

function contestant(
  name: string,
  program: string | undefined,
  args: (source: Place, destination: Place) => string[],
): Contestant {
  return {
    name,
    program,
    command(source, destination) {
      if (program === undefined) throw new Error(`${name} is not installed`)
      return { program, args: args(source, destination) }
    },
  }
}

function craneArguments(source: Place, destination: Place): string[] {
  if (destination.kind === 'layout') {
    return ['pull', '--insecure', '--format=oci', reference(source, ''), destination.directory]
  }
  if (source.kind === 'layout') return ['push', '--insecure', source.directory, reference(destination, '')]
  return ['cp', '--insecure', reference(source, ''), reference(destination, '')]
}

function regctlArguments(source: Place, destination: Place, flags: readonly string[] = []): string[] {
  const hosts = [source, destination].flatMap((place) =>
    place.kind === 'registry' ? ['--host', `reg=${place.host},tls=disabled`] : [],
  )
  const [from, to] = [source, destination].map((place) =>
    place.kind === 'layout' ? `ocidir://${place.directory}:${tag}` : reference(place, ''),
  )
  return [...hosts, 'image', 'copy', ...flags, String(from), String(to)]
}

function reference(place: Place, scheme: string): string {
  if (place.kind === 'layout') return `oci:${place.directory}:${tag}`
  return `${scheme}${place.host}/${repository}:${tag}`
}
