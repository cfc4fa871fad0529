//! What a path can be asked for, and the words for it.

use super::state::PaperPath;

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
    /// A features file to lay out.
    MapFeatures,
    /// A data set whose people are to be laid out.
    MapPeople,
    /// A saved map.
    MapOpen,
    /// The file that a map is to be saved as.
    MapSave,
    /// A run to go on with.
    Resume,
    /// A case to make.
    NewCase,
    /// A case to open.
    OpenCase,
    /// A path of the form of the paper's experiments.
    Paper(PaperPath),
    /// The folder of runs.
    Runs,
    /// An archived run to bring in.
    RunArchive,
    /// A model file whose page is wanted.
    PageModel,
    /// The images of a gallery that is to be made on disk.
    GalleryImages,
    /// The folder of that gallery.
    GalleryFolder,
    /// A folder of images to add to the open gallery.
    GalleryAdd,
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
            Target::MapFeatures => "Choose a features file",
            Target::MapPeople => "Choose a data set",
            Target::MapOpen => "Open a map",
            Target::MapSave => "Save the map",
            Target::Resume => "Resume a run",
            Target::NewCase => "New case",
            Target::OpenCase => "Open case",
            Target::Paper(path) => path.title(),
            Target::Runs => "Choose the folder of runs",
            Target::RunArchive => "Import a run",
            Target::PageModel => "Choose a model file",
            Target::GalleryImages => "Choose the images",
            Target::GalleryFolder => "Choose a folder for the gallery",
            Target::GalleryAdd => "Add a folder of images",
        }
    }

    /// What is expected.
    pub fn hint(self) -> &'static str {
        match self {
            Target::Model => "A model file written by Rain (.safetensors)",
            Target::Gallery => "A folder of sharp images, sub-folders too, or a gallery that was built on disk",
            Target::Queries => "An image, or a folder of images",
            Target::Frame => "An image of a whole scene; you draw a box round each person",
            Target::TrainData => {
                "A data set: Market-1501, MSMT17, CUHK03, CUHK01, VIPeR, CAVIAR4REID, PRID 2011, a table (.csv), or a folder a person"
            }
            Target::TrainWeights => "ResNet weights with torchvision names (.safetensors or .pth)",
            Target::TrainRun => "A folder that does not exist yet; it will hold checkpoints and history",
            Target::MapFeatures => "A features file (.safetensors), as rain embed writes it",
            Target::MapPeople => "A data set that says who is on each image; a few of its people are laid out",
            Target::MapOpen => "A map that was saved as .safetensors",
            Target::MapSave => {
                "The ending decides: .safetensors can be opened again; .csv is a table; .svg and .png are pictures"
            }
            Target::Resume => "The folder of a run that was stopped",
            Target::NewCase => "A file that does not exist yet; verdicts, notes and their history go into it",
            Target::OpenCase => "A case that Rain made (.raincase)",
            Target::Paper(path) => path.hint(),
            Target::Runs => "A folder whose sub-folders are runs",
            Target::RunArchive => "A run that was exported (.zip)",
            Target::PageModel => "A model file written by Rain, or published ResNet weights",
            Target::GalleryImages | Target::GalleryAdd => "A folder of sharp images; sub-folders are read too",
            Target::GalleryFolder => "A folder that does not exist yet; it will hold embeddings and small pictures",
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
            Target::MapFeatures => "/home/me/features.safetensors",
            Target::MapPeople => "/home/me/Market-1501",
            Target::MapOpen => "/home/me/map.safetensors",
            Target::MapSave => "/home/me/map.svg",
            Target::TrainRun | Target::Resume => "/home/me/runs/first",
            Target::NewCase | Target::OpenCase => "/home/me/cases/first.raincase",
            Target::Paper(path) => path.example(),
            Target::Runs => "/home/me/runs",
            Target::RunArchive => "/home/me/first.zip",
            Target::PageModel => "/home/me/models/rain.safetensors",
            Target::GalleryImages | Target::GalleryAdd => "/home/me/crops",
            Target::GalleryFolder => "/home/me/gallery",
        }
    }

    /// The button.
    pub fn verb(self) -> &'static str {
        match self {
            Target::Model | Target::Gallery | Target::Queries | Target::Frame | Target::MapOpen | Target::OpenCase => {
                "Open"
            }
            Target::NewCase => "Make",
            Target::MapSave => "Save",
            Target::TrainData
            | Target::TrainWeights
            | Target::TrainRun
            | Target::Runs
            | Target::PageModel
            | Target::GalleryImages
            | Target::GalleryFolder
            | Target::MapFeatures
            | Target::MapPeople
            | Target::Paper(_) => "Choose",
            Target::RunArchive => "Import",
            Target::GalleryAdd => "Add",
            Target::Resume => "Resume",
        }
    }

    /// Whether the path may name something that is yet to be made.
    pub fn is_new_folder(self) -> bool {
        matches!(
            self,
            Target::TrainRun
                | Target::NewCase
                | Target::MapSave
                | Target::GalleryFolder
                | Target::Paper(PaperPath::Out)
        )
    }
}
