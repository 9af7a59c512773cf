// Owns container names: which are allowed, and the making of one when none is given. Pure but for the random choice.
import { randomInt } from 'node:crypto';
import { invalidArgument } from '../base/errors.ts';

const PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** The name without a leading slash. Throws invalid-argument in Docker's words, with the text as the client gave it. */
export function checkName(given: string): string {
  const name = given.replace(/^\//, '');
  if (!PATTERN.test(name)) {
    throw invalidArgument(`Invalid container name (${given}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  }
  return name;
}

const adjectives: readonly string[] = (
  'able agile airy alert amber ample apt ardent azure balmy bold brave breezy bright brisk calm candid casual ' +
  'cheerful chilly civil clear clever cool coral cosy crisp curious daring dapper deft devout dreamy eager earnest easy ' +
  'elated elegant epic even exact fair fancy fearless festive fiery fine firm fleet fluent fond frank fresh friendly ' +
  'gallant gentle giddy glad gleeful golden graceful grand great happy hardy hearty honest hopeful humble ideal jolly ' +
  'jovial keen kind lively loyal lucid lucky mellow merry mild modest neat nimble noble patient peaceful placid plucky ' +
  'polite prime proud quick quiet rapid ready regal robust rosy sage sane serene sharp silent simple sincere smart ' +
  'snug sober solid spry stable steady stoic strong sturdy subtle sunny sure swift tactful tender thrifty tidy tranquil ' +
  'true upbeat valiant vivid warm wary wise witty worthy zealous zesty'
).split(' ');

/** Scientists and engineers. */
const surnames: readonly string[] = (
  'abel aiken ampere anning avogadro babbage banach bardeen becquerel bell bernoulli bessel bohr boltzmann boole born ' +
  'boyle brahe brouwer brunel cantor carnot carson cauchy cavendish celsius chandra church clausius codd copernicus ' +
  'coulomb curie dalton darwin davy dedekind diesel dijkstra dirac doppler easley eddington edison ehrlich einstein ' +
  'erdos euclid euler faraday fermat fermi feynman fibonacci fleming floyd fourier franklin fresnel galileo galois ' +
  'gauss gibbs goddard godel goodall hamilton hawking heisenberg helmholtz henry hermite herschel hertz hilbert hoare ' +
  'hooke hopper hubble humboldt huygens hypatia jacobi jemison johnson joule kalman karp kelvin kepler kirchhoff ' +
  'knuth kovalevskaya lagrange lamarr lamport laplace leakey leavitt leibniz linnaeus liskov lorentz lovelace mach ' +
  'markov maxwell mayer mccarthy meitner mendel mendeleev minsky mirzakhani moore morse napier neumann newton nobel ' +
  'noether ohm oppenheimer papert pascal pasteur pauli perlman planck poincare ramanujan rayleigh riemann ritchie ' +
  'rosalind rutherford sagan shannon sinoussi snow stokes tesla thales thompson tu turing volta watson watt weyl ' +
  'wiener wilson wing wozniak wright yalow yonath zuse'
).split(' ');

const pick = (list: readonly string[]): string => list[randomInt(list.length)] ?? '';

/** `adjective_surname` that `taken` denies; a digit is put behind when chance keeps meeting taken ones. */
export function generateName(taken: (name: string) => boolean): string {
  for (let attempt = 0; ; attempt++) {
    const digit = attempt < 6 ? '' : String(randomInt(10 ** Math.min(attempt - 5, 9)));
    const name = `${pick(adjectives)}_${pick(surnames)}${digit}`;
    if (!taken(name)) return name;
  }
}
