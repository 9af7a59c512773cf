# Owns how the two native parts are built from one src/sys: the N-API addon `tsd` and the static program `tsd-monitor`.
{
  'variables': {
    'warnings': ['-Wall', '-Wextra', '-Wshadow', '-Wno-missing-field-initializers', '-Wno-unused-parameter'],
    'sys_common': [
      'src/sys/mount.cc',
      'src/sys/path_in_root.cc',
      'src/sys/socket.cc',
    ],
  },
  'targets': [
    {
      'target_name': 'tsd',
      'type': 'loadable_module',
      'defines': ['NAPI_DISABLE_CPP_EXCEPTIONS', 'NAPI_VERSION=9', '_GNU_SOURCE', '_FILE_OFFSET_BITS=64'],
      'cflags_cc': [
        '<@(warnings)', '-std=gnu++20', '-fno-exceptions', '-fvisibility=hidden', '-O2',
        # As system headers: their warnings are not ours.
        "-isystem<!(node -p \"require('path').resolve(require('node-addon-api').include_dir)\")",
        "-isystem<!(node -p \"require('path').resolve(require('node-api-headers').include_dir)\")",
      ],
      'libraries': ['-lseccomp', '-larchive', '-lnettle'],
      'sources': [
        '<@(sys_common)',
        'src/sys/archive.cc',
        'src/sys/archive_input.cc',
        'src/sys/archive_split.cc',
        'src/sys/archive_tar.cc',
        'src/sys/archive_tree.cc',
        'src/sys/netlink.cc',
        'src/sys/seccomp.cc',
        'src/sys/spawn.cc',
        'src/napi/archive.cc',
        'src/napi/convert.cc',
        'src/napi/descriptors.cc',
        'src/napi/features.cc',
        'src/napi/init.cc',
        'src/napi/monitor.cc',
        'src/napi/mount.cc',
        'src/napi/netlink.cc',
        'src/napi/seccomp.cc',
      ],
    },
  ],
}
