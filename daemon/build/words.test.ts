// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the forms of the shell.
import t from 'tap';
import { expandText, expandWord, splitWords } from './words.ts';

const variables: Readonly<Record<string, string>> = { V: '1.2.3', EMPTY: '', PATHS: '/a/b/c.tar.gz' };
const lookup = (name: string): string | undefined => variables[name];

t.test('the shell forms of variables', async (t) => {
  const cases: Readonly<Record<string, string>> = {
    $V: '1.2.3',
    'x${V}y': 'x1.2.3y',
    '${nope}': '',
    '${nope:-def}': 'def',
    '${nope-def}': 'def',
    '${EMPTY:-def}': 'def',
    '${EMPTY-def}': '',
    '${V:-def}': '1.2.3',
    '${V:+alt}': 'alt',
    '${EMPTY:+alt}': '',
    '${EMPTY+alt}': 'alt',
    '${nope:-${V}}': '1.2.3',
    '${V%%.*}': '1',
    '${V%.*}': '1.2',
    '${V#*.}': '2.3',
    '${V##*.}': '3',
    '${PATHS##*/}': 'c.tar.gz',
    '${PATHS%%.*}': '/a/b/c',
    '${V/./_}': '1_2.3',
    '${V//./_}': '1_2_3',
    '${V//./}': '123',
    "'$V'": '$V',
    '"$V"': '1.2.3',
    '\\$V': '$V',
    '"\\$V"': '$V',
    '"a\\b"': 'a\\b',
    'a\\ b': 'a b',
    $: '$',
    '$-': '',
  };
  for (const [word, wanted] of Object.entries(cases)) t.equal(expandWord(word, lookup), wanted, word);
});

t.test('what cannot be expanded is named', async (t) => {
  const fails = (word: string, message: string) => t.throws(() => expandWord(word, lookup), { message }, word);
  fails('${x:?oops}', 'failed to process "${x:?oops}": x: oops');
  fails('${x?}', 'failed to process "${x?}": x: is not allowed to be unset');
  fails('"open', 'failed to process "\\"open": unexpected end of statement while looking for matching double-quote');
  fails("'open", 'failed to process "\'open": unexpected end of statement while looking for matching single-quote');
  fails('${V', 'failed to process "${V": syntax error: missing \'}\'');
  fails('${}', 'failed to process "${}": bad substitution');
  fails('${V^^}', 'failed to process "${V^^}": unsupported modifier (^) in substitution');
});

t.test('words are split outside of quotes, with the escape of the file', async (t) => {
  t.same(splitWords('a "b c" d\\ e \'f g\''), ['a', '"b c"', 'd\\ e', "'f g'"]);
  t.same(splitWords('a` b c\\d', '`'), ['a` b', 'c\\d']);
  t.equal(expandWord('c:\\x`$V', lookup, '`'), 'c:\\x$V');
});

t.test('here-documents keep their quotes', async (t) => {
  t.equal(expandText('"$V" \'$V\' \\$V \\n\n', lookup), '"1.2.3" \'1.2.3\' $V \\n\n');
});
