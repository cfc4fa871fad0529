//! What a path can be asked for, and the words for it.

/// What a path is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A model file.
    Model,
    /// A gallery folder.
    Gallery,
    /// Crops.
    Queries,
    /// A full frame to cut people out of.
    Frame,
    /// The form's data folder.
    TrainData,
    /// The form's initial weights.
    TrainWeights,
    /// The form's run folder.
    TrainRun,
    /// A run to go on with.
    Resume,
}

impl Target {
    /// The sheet's title.
    pub fn title(self) -> &'static str {
        match self {
            Target::Model => "Open model",
            Target::Gallery => "Open gallery",
            Target::Queries => "Open queries",
            Target::Frame => "Cut people out of a frame",
            Target::TrainData => "Choose the training data",
            Target::TrainWeights => "Choose initial weights",
            Target::TrainRun => "Choose a run folder",
            Target::Resume => "Resume a run",
        }
    }

    /// What is expected.
    pub fn hint(self) -> &'static str {
        match self {
            Target::Model => "A model file written by Rain (.safetensors)",
            Target::Gallery => "A folder of sharp images; sub-folders are read too",
            Target::Queries => "An image, or a folder of images",
            Target::Frame => "An image of a whole scene; you draw a box round each person",
            Target::TrainData => "A folder in the Market-1501 or VIPeR layout, or with a sub-folder a person",
            Target::TrainWeights => "ResNet weights with torchvision names (.safetensors or .pth)",
            Target::TrainRun => "A folder that does not exist yet; it will hold checkpoints and history",
            Target::Resume => "The folder of a run that was stopped",
        }
    }

    /// A path as an example.
    pub fn example(self) -> &'static str {
        match self {
            Target::Model => "/home/me/models/rain.safetensors",
            Target::Gallery => "/home/me/gallery",
            Target::Queries => "/home/me/crops",
            Target::Frame => "/home/me/frames/camera3.png",
            Target::TrainData => "/home/me/Market-1501",
            Target::TrainWeights => "/home/me/resnet50.pth",
            Target::TrainRun | Target::Resume => "/home/me/runs/first",
        }
    }

    /// The button.
    pub fn verb(self) -> &'static str {
        match self {
            Target::Model | Target::Gallery | Target::Queries | Target::Frame => "Open",
            Target::TrainData | Target::TrainWeights | Target::TrainRun => "Choose",
            Target::Resume => "Resume",
        }
    }

    /// Whether the path may name something that is yet to be made.
    pub fn is_new_folder(self) -> bool {
        self == Target::TrainRun
    }
}
