import { argv } from 'node:process'
import { extendedCopy } from 'copygraph'
import { Repository } from 'copygraph/remote'

/** Copies a reference of a registry, `HOST/NAME:TAG`, with all that refers to it, with the built package. */
const [from, to] = argv.slice(2).map((reference) => reference.split(/:(?=[^:/]+$)/))
await using source = new Repository(from?.[0] ?? '')
await using destination = new Repository(to?.[0] ?? '')
await extendedCopy(source, from?.[1] ?? '', destination, { destinationReference: to?.[1] })
