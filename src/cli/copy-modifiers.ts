import { recompressLayers } from '../copy/modifiers/layers/recompress-layers.ts'
import type { Modifier } from '../copy/modifiers/modifier.ts'
import { recordOriginalDigest } from '../copy/modifiers/record-original-digest.ts'
import { setAnnotations } from '../copy/modifiers/set-annotations.ts'
import { setCreated } from '../copy/modifiers/set-created.ts'
import { stripAttestations } from '../copy/modifiers/strip-attestations.ts'
import { toDocker } from '../copy/modifiers/to-docker.ts'
import { toOci } from '../copy/modifiers/to-oci.ts'
import type { CopyFlags } from './copy-flags.ts'
import { usageError } from './usage-error.ts'

/** The modifiers that flags ask for, in the order that the help names. Throws a usage error. */
export function modifiersOf(flags: CopyFlags): readonly Modifier[] {
  const { compress, created, annotation, annotationRemove } = flags
  const texts = [
    ...(annotation ?? []),
    ...(annotationRemove ?? []).map((name): readonly [string, null] => [name, null]),
  ]
  return [
    ...(flags.stripAttestations === true ? [stripAttestations()] : []),
    ...(flags.toOci === true ? [toOci()] : []),
    ...(flags.toDocker === true ? [toDocker()] : []),
    ...(compress === undefined ? [] : [read('--compress', () => recompressLayers(compress))]),
    ...(created === undefined ? [] : [read('--created', () => setCreated(created))]),
    ...(texts.length === 0 ? [] : [setAnnotations(Object.fromEntries(texts))]),
    ...(flags.recordOriginalDigest === true ? [recordOriginalDigest()] : []),
  ]
}

/** What was typed has a value that the library refuses, and says which it takes. */
function read(flag: string, make: () => Modifier): Modifier {
  try {
    return make()
  } catch (error) {
    throw error instanceof RangeError ? usageError(`${flag}: ${error.message}`) : error
  }
}
