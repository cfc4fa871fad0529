//! The model and its training step against tensors that an independent implementation of the specification computed.

use std::path::Path;

use rain::nn::kernel::Isa;
use rain::train::golden::replay;

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    for isa in Isa::available() {
        let (errors, bounds) = isa.with(|| replay(&path, &candle_core::Device::Cpu)).unwrap_or_else(|e| panic!("{e}"));
        println!("{name} {}: {errors:?}", isa.name());
        assert!(errors.within(&bounds), "{name} on {}: {errors:?} beyond {bounds:?}", isa.name());
    }
}

#[test]
fn resnet50_with_sgd() {
    check("resnet50_sgd.safetensors");
}

#[test]
fn resnet18_semi_supervised_with_sgd() {
    check("resnet18_semi_sgd.safetensors");
}

#[test]
fn resnet50_with_last_stride_1_and_adam() {
    check("resnet50_laststride1_adam.safetensors");
}

#[test]
fn a_changed_tensor_is_noticed() {
    use candle_core::{Device, Tensor};
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/resnet18_semi_sgd.safetensors");
    let (mut tensors, header) = rain::model::weights::read_safetensors(&source).unwrap();
    tensors.insert("final.classifier.bias".into(), Tensor::new(&[1f32, 2.0, 3.0, 4.0], &Device::Cpu).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.safetensors");
    rain::model::weights::write_safetensors(&path, &tensors.into_iter().collect(), header.unwrap()).unwrap();
    let (errors, bounds) = replay(&path, &candle_core::Device::Cpu).unwrap();
    assert!(errors.eval <= bounds.eval && !errors.within(&bounds));
}
