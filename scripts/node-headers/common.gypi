# Owns the compiler defaults that node-gyp expects beside Node's headers. An N-API addon needs no more of them than this,
# so the headers come from the npm package node-api-headers and nothing is downloaded.
{
  'variables': {
    'visibility%': 'hidden',
    'library%': 'shared_library',
    'host_arch%': '',
    'target_arch%': '',
    'component%': 'static_library',
    'python%': 'python3',
    'enable_lto%': 'false',
    'asan%': 0,
    'coverage%': 'false',
    'openssl_fips%': '',
    'openssl_no_asm%': 0,
    'node_shared%': 'false',
    'node_module_version%': '',
    'node_with_ltcg%': '',
    'node_use_bundled_v8%': 'true',
    'OBJ_DIR%': '<(PRODUCT_DIR)/obj',
  },
  'target_defaults': {
    'default_configuration': 'Release',
    'configurations': {
      'Debug': {
        'cflags': ['-g', '-O0'],
        'defines': ['DEBUG', '_DEBUG'],
      },
      'Release': {
        'cflags': ['-O2', '-g1'],
        'defines': ['NDEBUG'],
      },
    },
    'cflags': ['-Wall', '-Wextra', '-Wno-unused-parameter', '-fstack-protector-strong', '-D_FORTIFY_SOURCE=2'],
    'target_conditions': [
      ['_type=="static_library" or _type=="shared_library" or _type=="loadable_module"', {'cflags': ['-fPIC']}],
    ],
  },
}
