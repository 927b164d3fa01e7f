//! Configurations in TOML.

use data::DataConfig;

use crate::Target;

pub(super) static TARGETS: [Target; 1] = [Target {
    name: "data-config",
    seeds: || SEEDS.iter().map(|text| text.as_bytes().to_vec()).collect(),
    run: |bytes| {
        let Ok(config) = toml::from_slice::<DataConfig>(bytes) else {
            return;
        };
        if let DataConfig::ImageFolder(folder) = &config {
            let _ = folder.validate();
        }
        // What was read is written and read again as it is.
        let written = toml::to_string(&config).expect("a configuration can be written");
        let read: DataConfig = toml::from_str(&written).expect("what was written can be read");
        assert_eq!(read, config);
    },
    dictionary: &[
        b"kind = ",
        b"\"mnist\"",
        b"\"toy\"",
        b"\"idx\"",
        b"\"cifar10\"",
        b"\"cifar100\"",
        b"\"image-folder\"",
        b"\"npy\"",
        b"\"npz\"",
        b"path = ",
        b"size = ",
        b"[",
        b"]",
        b"[[",
        b"]]",
        b"{",
        b"}",
        b"\"\"\"",
        b"'''",
        b"\\u0000",
        b"= 1e999",
        b"= nan",
        b"= -1",
        b"= true",
        b"\n",
        b"#",
        b"[[[[[[[[[[[[[[[[",
        b"a.b.c.d = 1",
    ],
    repair: None,
}];

const SEEDS: [&str; 8] = [
    "kind = \"mnist\"\npath = \"digits\"\nsplit = \"test\"\n",
    "kind = \"toy\"\nname = \"two-moons\"\ncount = 1000\nseed = 7\n",
    "kind = \"idx\"\nimages = \"images.gz\"\nlabels = \"labels\"\nflip = true\n",
    "kind = \"cifar10\"\npath = \"cifar\"\nsplit = \"train\"\nflip = true\n",
    "kind = \"cifar100\"\npath = \"cifar\"\nlabels = \"coarse\"\n",
    "kind = \"image-folder\"\npath = \"photographs\"\nsize = [48, 64]\nchannels = \"grey\"\n\
     crop = \"random\"\nresize = 72\nfilter = \"box\"\nclasses = true\ncache_mib = 10\n",
    "kind = \"npy\"\npath = \"x.npy\"\nlabels = \"y.npy\"\nlayout = \"nhwc\"\n",
    "kind = \"npz\"\npath = \"x.npz\"\nimages = \"arr_0\"\nlabels = \"arr_1\"\nlayout = \"nchw\"\n",
];
