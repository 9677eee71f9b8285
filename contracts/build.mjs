// Compiles every .sol file here with the compiler that package.json pins, and
// writes artifacts/<Contract>.json. With --check it writes nothing and fails when
// an artifact is not what the compiler makes.
import { existsSync, mkdirSync, readFileSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import solc from 'solc';

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, 'artifacts');
const check = process.argv.includes('--check');

// Spectrum is Byzantium; the optimizer favours cheap calls over small code. No
// metadata: the bytecode depends on the code alone, not on comments.
const settings = {
  evmVersion: 'byzantium',
  viaIR: true,
  optimizer: { enabled: true, runs: 1000000 },
  metadata: { appendCBOR: false, bytecodeHash: 'none' },
  outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object', 'evm.deployedBytecode.immutableReferences'] } },
};

const files = readdirSync(here).filter((name) => name.endsWith('.sol')).sort();
const sources = Object.fromEntries(files.map((name) => [name, { content: readFileSync(join(here, name), 'utf8') }]));
const result = JSON.parse(solc.compile(JSON.stringify({ language: 'Solidity', sources, settings })));

// The one warning that is expected: the compiler will drop old EVMs one day. The
// pin holds this one.
const faults = (result.errors ?? []).filter((e) => !(e.severity === 'warning' && /Support for EVM versions older than/.test(e.message)));
if (faults.length > 0) {
  console.error(faults.map((e) => e.formattedMessage).join('\n'));
  process.exit(1);
}

const artifacts = new Map();
for (const file of files) {
  for (const [name, c] of Object.entries(result.contracts[file] ?? {})) {
    if (c.evm.bytecode.object === '') continue;
    // Keyed by the place of the declaration in the sources' tree: its order is theirs.
    const immutables = Object.entries(c.evm.deployedBytecode.immutableReferences ?? {})
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([, places]) => places.map((p) => p.start).sort((a, b) => a - b));
    const artifact = {
      contract: name,
      source: file,
      compiler: solc.version(),
      evmVersion: settings.evmVersion,
      abi: c.abi,
      bytecode: c.evm.bytecode.object,
      runtime: c.evm.deployedBytecode.object,
      immutables,
    };
    artifacts.set(`${name}.json`, JSON.stringify(artifact, null, 1) + '\n');
  }
}

const kept = existsSync(out) ? readdirSync(out) : [];
const stale = kept.filter((name) => !artifacts.has(name));
if (check) {
  const wrong = [...artifacts].filter(([name, text]) => !kept.includes(name) || readFileSync(join(out, name), 'utf8') !== text);
  const names = [...wrong.map(([name]) => name), ...stale];
  if (names.length > 0) {
    console.error(`artifacts differ from the sources: ${names.join(', ')}; run: npm run build`);
    process.exit(1);
  }
  console.log(`${artifacts.size} artifacts are what solc ${solc.version()} makes`);
} else {
  mkdirSync(out, { recursive: true });
  for (const [name, text] of artifacts) writeFileSync(join(out, name), text);
  for (const name of stale) unlinkSync(join(out, name));
  for (const [name, text] of artifacts) console.log(`${name}: ${JSON.parse(text).runtime.length / 2} bytes`);
}
