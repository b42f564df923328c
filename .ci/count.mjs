// Adds up vitest's JSON reports: `node count.mjs FAILED_STEPS REPORT...`, and says again what failed, since that may have
// scrolled away. Beside the report of a run that failed lies a file REPORT.failed. Exit code 1 if anything failed, or was skipped in a report that is called peers.json: that run has
// all the programs which tests are skipped for.
import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'

const [failedSteps, ...reports] = process.argv.slice(2)
const outcomes = new Map()
let failed = Number(failedSteps)
let skippedWithPeers = 0

for (const path of reports) {
  const files = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).testResults : []
  const found = files.map(countFile)
  const unloaded = files.filter(
    ({ status }, index) => status === 'failed' && !found[index].includes('failed'),
  )
  const isExplained = unloaded.length > 0 || found.flat().includes('failed')
  failed += unloaded.length
  files.forEach(tellFailures)
  if (existsSync(`${path}.failed`) && !isExplained) failed += 1
  if (basename(path) === 'peers.json')
    skippedWithPeers = found.flat().filter((one) => one === 'skipped').length
}

function tellFailures({ name, status, message, assertionResults }) {
  if (status !== 'failed') return
  console.log(`FAILED ${name}${message ? `: ${message}` : ''}`)
  for (const { fullName, status: outcome, failureMessages } of assertionResults) {
    if (outcome === 'failed') console.log(`FAILED ${fullName}\n${failureMessages.join('\n')}`)
  }
}

/** A test that ran in one report and was skipped in another has run; one that failed once has failed. */
function countFile({ name, assertionResults }) {
  const seen = new Map()
  return assertionResults.map(({ fullName, status }) => {
    const outcome = ['passed', 'failed'].includes(status) ? status : 'skipped'
    const number = (seen.get(fullName) ?? 0) + 1
    seen.set(fullName, number)
    const key = JSON.stringify([name, fullName, number])
    if (weight(outcome) > weight(outcomes.get(key))) outcomes.set(key, outcome)
    return outcome
  })
}

function weight(outcome) {
  return [undefined, 'skipped', 'passed', 'failed'].indexOf(outcome)
}

const count = (wanted) => [...outcomes.values()].filter((outcome) => outcome === wanted).length
failed += count('failed')
if (skippedWithPeers > 0) console.log(`${skippedWithPeers} skipped with all peers at hand`)
console.log(`${count('passed')} passed, ${failed} failed, ${count('skipped')} skipped`)
process.exitCode = failed > 0 || skippedWithPeers > 0 ? 1 : 0
