import t from 'tap';
import { gitAddress } from './remote.ts';

t.test('addresses of repositories', async (t) => {
  t.same(gitAddress('https://h/r.git'), { repository: 'https://h/r.git', ref: '', directory: '' });
  t.same(gitAddress('https://h/r.git#v1:a/b'), { repository: 'https://h/r.git', ref: 'v1', directory: 'a/b' });
  t.same(gitAddress('git@h:r.git#:../d'), { repository: 'git@h:r.git', ref: '', directory: 'd' });
  t.same(gitAddress('github.com/o/r'), { repository: 'https://github.com/o/r', ref: '', directory: '' });
  t.equal(gitAddress('https://h/context.tar.gz'), undefined);
  t.throws(() => gitAddress('https://h/r.git#--upload-pack=x'), {
    message: 'invalid git address: https://h/r.git#--upload-pack=x',
  });
});
