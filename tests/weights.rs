//! A file as torchreid writes it: `torch.save({"epoch": 1, "state_dict": …})` with `module.` before every name.

use std::path::Path;

use candle_core::Device;
use rain::model::{ModelConfig, Rain};

#[test]
fn a_pytorch_checkpoint_loads_by_name() {
    let config =
        ModelConfig { depth: 18, base_width: 2, levels: vec![5], height: 64, width: 32, ..ModelConfig::default() };
    let mut model = Rain::new(config, 1, &Device::Cpu).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/weights/state_dict.pth");
    let report = model.load_extractor(&path).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((report.loaded.len(), report.missing.len()), (100, 0), "{report}");
    assert!(report.skipped.iter().any(|(name, _)| name == "module.fc.weight"), "{report}");
    assert!(report.skipped.iter().any(|(name, _)| name == "module.bn1.num_batches_tracked"), "{report}");
    let stem: Vec<f32> = model.tensors()["extractor.conv1.weight"].flatten_all().unwrap().to_vec1().unwrap();
    assert!(stem.iter().enumerate().all(|(i, v)| *v == i as f32 / 100.0));
}
