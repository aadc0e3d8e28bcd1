"""What people type wrong in bindings: each ends in one message and exit code 2, no traceback."""

import gin
import pytest

import experiment
from fewshot.binding import config, registry
from fewshot.errors import UserError

# refused when the bindings are read
READ = """
main.evaluators=@Classification
main.evaluators=Classification
main.evaluators='Classification'
main.evaluators=[@Classification()]
main.evaluators=['Classification']
main.evaluators=[@SmallResNet]
main.evaluators=[@KNN]
main.evaluators=@KNNClassification()
main.evaluators=None
main.evaluators=3
main.optimizer='adam'
main.optimizer=Adam
main.optimizer=@Adam()
main.optimizer=@torch.optim.Adamm
main.optimizer=@adam
main.optimizer=0.001
main.optimizer=[@torch.optim.Adam]
main.optimizer=@torch.optim.lr_scheduler.StepLR
main.optimizer=@SmallResNet
main.schedule='cosine'
main.schedule=@torch.optim.Adam
main.schedule=@CosineAnnealing
main.schedule=@WarmupCosine()
main.schedule=True
main.schedule_every=1
main.objective='TransferNet'
main.objective=TransferNet
main.objective=@TransferNet()
main.objective=@Transfernett
main.objective=@SmallResNet
main.objective=3
main.sampler='balanced'
main.sampler=@BalancedBatches()
main.sampler=@SmallResNet
main.sampler=32
main.train_rows=0.5
main.train_rows='all'
main.train_rows=@SelectRows()
main.train_rows=100
main.test_rows=0.1
main.num_epochs=-1
main.num_epochs=1.5
main.num_epochs='10'
main.num_epochs=ten
main.num_epochs=[10]
main.num_epochs=@Trainer
main.num_epochs=1e3
main.num_epochs=None
main.num_epochs=
main.num_epochs
main.numepochs=3
main.num_epoch=3
main.epochs=3
main.lr=0.1
main.batch_size=16
main.seed='a'
main.seed=-1
main.seed=1.0
main.seed=None
main.select_by=1
main.select_by=top1
main.validation_fraction=-0.1
main.validation_fraction=2
main.validation_fraction='10%'
main.validation_fraction=10%
main.validation_fraction=None
main.request=3
num_epochs=3
lr=0.1
torch.optim.Adam.learning_rate=0.1
torch.optim.Adam.LR=0.1
torch.optim.Adam.lr=1e-3f
optim.Adam.beta=0.9
Adamm.lr=0.1
torch.Adam.lr=0.1
torch.optim.lr_scheduler.OneCycleLR.maxlr=0.1
torch.optim.lr_scheduler.StepLR.steps=3
TransferNet.encoder='resnet18'
TransferNet.encoder=resnet18
TransferNet.encoder=@SmallResNet()
TransferNet.encoder=@Classification
TransferNet.encoder=@LinearClassifier
TransferNet.encoder=[@SmallResNet]
TransferNet.encoder=@resnet18x
TransferNet.encoder=18
TransferNet.classifier='linear'
TransferNet.classifier=@KNN
TransferNet.classifier=@NearestPrototype
TransferNet.classifier=@LinearClassifier()
TransferNet.classifier=@SmallResNet
TransferNet.head=@LinearClassifier
TransferNet.frozen='yes'
TransferNet.frozen=0.5
TransferNet.loss='cross_entropy'
TransferNet.loss=@torch.nn.CrossEntropyLoss()
TransferNet.mix=0.2
TransferNet.mix=@MixUp()
TransferNet.saved_model=3
TransferNet.saved_model_path=3
TransferNet.spec=3
TransferNet.inputs=@SmallResNet
TransferNet.inputs='x'
Transfernet2.frozen=True
Projection.size='64'
Projection.size=0
Projection.size=64.0
Projection.size=-1
TripletNet.miner='hard'
TripletNet.miner=@torch.nn.CrossEntropyLoss
TripletNet.loss=0.2
TripletNet.margin=0.2
TripletLoss.margin='wide'
TripletLoss.margin=None
TripletLoss.margins=0.2
TripletLoss.margin=1e308
SmallResNet.widths=64
SmallResNet.widths='64'
SmallResNet.widths=(64, 'a')
SmallResNet.widths=(0, 16)
SmallResNet.widths=(16.5, 32)
SmallResNet.width=64
SmallResNet.dept=1
SmallResNet.depth='1'
SmallResNet.depth=0
SmallResNet.depth=100000
torch.optim.Adam.amsgrad='no'
torch.optim.Adam.betas=(0.9, 0.99, 0.5)
torch.optim.SGD.fused='x'
torch.optim.Rprop.step_sizes=(1,)
main.optimizer=@pytorch_optimizer.A2Grad
pml.TripletMarginMiner.type_of_triplets='x'
SmallResNet.depth=1.0
SmallResNet.depth=None
SmallResNet.stem_pool=1
SmallResNet.stem_pool='True'
SmallResNet.stem_pool=true
SmallResNet.max_pool=None
SmallResNet.grid=2
SmallResNet.grid=(2,)
SmallResNet.grid=(1, 2, 3)
SmallResNet.grid='2x2'
SmallResNet.in_channel=3
SmallResnet.widths=(8, 16)
LinearClassifier.cell=3
LinearClassifier.cells='a'
CosineClassifier.cel=3
Inputs.augment='flip'
Inputs.augment=HorizontalFlip
Inputs.augment=@HorizontalFlip()
Inputs.augment=['flip']
Inputs.augment=[@HorizontalFlip()]
Inputs.augment=@SmallResNet
Inputs.augment=True
Inputs.augments=[@HorizontalFlip]
Inputs.size=32
Inputs.size='32x32'
Inputs.size=(0, 0)
Inputs.size=(32, None)
Inputs.size=(-5, 5)
Inputs.channels='rgb'
Inputs.channels=1.0
Inputs.mean='imagnet'
Inputs.mean=0.5
Inputs.std='auto'
HorizontalFlip.probability=2
HorizontalFlip.probability=-0.1
HorizontalFlip.probability='half'
HorizontalFlip.p=0.5
RandomCrop.padding='2'
RandomCrop.padding=2.5
RandomCrop.pad=2
RandomResizedCrop.scale=0.5
RandomResizedCrop.scale='half'
RandomResizedCrop.size=224
ColourJitter.brightness=1e308
ColourJitter.brightness='high'
ColorJitter.brightness=0.1
FashionDataset.csv_file=3
FashionDataset.csv_file=[3]
FashionDataset.csv_file=@FashionMNIST
FashionDataset.csv_file=True
FashionDataset.csv=data.csv
FashionDataset.csv='data.csv'
FashionDataset.csv_file=data.csv
FashionDataset.root_dir=3
FashionDataset.root_dir=['a']
FashionDataset.root='data'
FashionDataset.image_size=64
FashionDataset.image_size='64'
FashionDataset.image_size=(64,)
FashionDataset.image_size=(64, 64, 3)
FashionDataset.image_size=(0, 64)
FashionDataset.image_size=(64.0, 64.0)
FashionDataset.image_size=None
FashionDataset.channels='3'
FashionDataset.channels=3.0
FashionDataset.resize=64
FashionDataset.resize=None
FashionDataset.importer='FashionMNIST'
FashionDataset.importer=@FashionMNIST()
FashionDataset.importer=@SmallResNet
FashionDataset.label_column=3
FashionDataset.label_column=['articleType']
FashionDataset.cache_dir=1
FashonDataset.csv_file='x'
test/FashionDataset.csv_file=3
test.FashionDataset.csv_file='x'
test/FashionDataset.csvfile='x'
SelectRows.per_class='10'
SelectRows.per_class=2.5
SelectRows.fraction='half'
SelectRows.min_per_class=-1
SelectRows.minimum=4
ShuffledBatches.batch_size='64'
ShuffledBatches.batch_size=0
ShuffledBatches.batch_size=-8
ShuffledBatches.batch_size=64.0
ShuffledBatches.batch_size=None
ShuffledBatches.batchsize=64
ShuffledBatches.batch=64
TripletBatches.batch_size=(32, 32)
BalancedBatches.classes_per_batch='a'
Episodes.n_way=0
Episodes.n_way='5'
Hardware.precision=16
Hardware.precision=bf16
Trainer.device='cuda'
Trainer.patience='3'
Trainer.validate_every=0
Trainer.keep_every=-1
Hardware.compiled=1
Trainer.acelerator='cpu'
KNNClassification.k='5'
KNNClassification.k=0
KNNClassification.k=-3
KNNClassification.k=[5]
KNNClassification.K=5
KNNClassification.metric=cosine
KNNClassification.class_balanced=1
KNNClassification.prefix=None
KNN.k=0
KNN.metric=3
KNN.neighbours=5
GalleryClassification.head=@LinearClassifier
GalleryClassification.head='knn'
GalleryClassification.head=@KNN()
NovelEpisodes.n_way=five
NovelEpisodes.n_way=0
NovelEpisodes.n_shot='1'
NovelEpisodes.n_shot=0
NovelEpisodes.n_query=1.5
NovelEpisodes.n_episodes=0
FewShotEvaluation.heads=@KNN
FewShotEvaluation.heads=[@LinearClassifier]
FewShotEvaluation.heads=['KNN']
FewShotEvaluation.dataset='novel.csv'
FewShotEvaluation.dataset=@novel/FashionDataset()
Classification.mirrored='yes'
Classification.mirror=True
Classification.include_train=1
EmbeddingMap.max_points='all'
EmbeddingMap.max_points=0
EmbeddingMap.points=100
Retrieval.gallery=3
LogisticRegression.C=1
RotationNet.encoder=@KNN
SimCLR.temperature=0
SimCLR.temperature='low'
SimCLR.temp=0.1
WarmupCosine.warmup='short'
WarmupCosine.warm_up=0.1
RangerLars.k='x'
MixUp.alpha='x'
pml.TripletMarginLoss.margn=0.2
pml.TripletLoss.margin=0.2
%encoder=@SmallResNet
TransferNet.encoder=%encodr
TransferNet.encoder=%encoder()
encoder='resnet18'
encoder=@SmallResNet()
encoder=@KNN
SmallResNet.widths=(64, 128
SmallResNet.widths=64, 128
TransferNet.encoder=@
TransferNet.=3
.encoder=3
TransferNet.encoder==@SmallResNet
TransferNet.encoder: @SmallResNet
TransferNet/encoder=@SmallResNet
TransferNet.encoder.widths=3
include 'configs/triplet.gin'
import os
"""

# refused when things are built, before anything is trained
BUILT = """
SmallResNet.widths=()
SmallResNet.grid=(9, 9)
Inputs.size=(500, 500)
Inputs.channels=2
Inputs.mean=(0.5, 0.5)
Inputs.std=(0, 0, 0)
main.schedule_every='batch'
Hardware.devices='a'
main.select_by='test/top1'
main.validation_fraction=1.0
FashionDataset.label_column='colour'
FashionDataset.csv_file='nowhere.csv'
FashionDataset.csv_file=''
FashionDataset.csv_file=[]
FashionDataset.root_dir='nowhere'
FashionDataset.channels=2
FashionDataset.resize='crop'
test/FashionDataset.csv_file='nowhere.csv'
TransferNet.saved_model_path='nowhere.mdl'
TransferNet.loss=@HorizontalFlip
TransferNet.classifier=@CosineClassifier;CosineClassifier.cells=7
main.sampler=@TripletBatches
main.sampler=@Episodes
main.sampler=@BalancedBatches;BalancedBatches.classes_per_batch=50
main.train_rows=@SelectRows;SelectRows.min_per_class=1000
main.train_rows=@SelectRows;SelectRows.fraction=7.0
main.schedule=@torch.optim.lr_scheduler.StepLR
main.schedule=@torch.optim.lr_scheduler.OneCycleLR
main.evaluators=[@Classification, @Classification]
torch.optim.Adam.lr='x'
torch.optim.Adam.lr=-1.0
torch.optim.Adam.betas=0.9
torch.optim.Adam.betas=(2.0, 2.0)
torch.optim.Adam.weight_decay='x'
torch.optim.Adam.capturable=True
torch.optim.Adam.differentiable=True
main.optimizer=@torch.optim.SGD;torch.optim.SGD.weight_decay=True
main.optimizer=@torch.optim.SGD;torch.optim.SGD.momentum=0.9;torch.optim.SGD.dampening='x'
main.optimizer=@pytorch_optimizer.MADGRAD;pytorch_optimizer.MADGRAD.lr=None
main.schedule=@torch.optim.lr_scheduler.ReduceLROnPlateau;torch.optim.lr_scheduler.ReduceLROnPlateau.patience='x'
TransferNet.loss=@torch.nn.CrossEntropyLoss;torch.nn.CrossEntropyLoss.label_smoothing=2
TransferNet.loss=@torch.nn.CrossEntropyLoss;torch.nn.CrossEntropyLoss.reduction='none'
TransferNet.loss=@torch.nn.CrossEntropyLoss;torch.nn.CrossEntropyLoss.ignore_index='x'
test/FashionDataset.label_column='artcleType'
Classification.shift=10000
main.optimizer=@torch.optim.SGD;torch.optim.SGD.momentum=-1.0
Hardware.precision='16bit'
Inputs.augment=[@RandomCrop];RandomCrop.padding=-1
Inputs.augment=[@RandomResizedCrop];RandomResizedCrop.scale=(2.0, 1.0)
"""


def lines(text):
    return [line for line in text.splitlines() if line]


@pytest.fixture(autouse=True)
def _clean():
    yield
    gin.clear_config()


@pytest.mark.parametrize("binding", lines(READ))
def test_refused_when_it_is_read(binding):
    with pytest.raises(UserError) as error:
        config.load(["configs/transfer.gin"], [binding])
    told = str(error.value)
    assert "Traceback" not in told
    assert told.count("\n") < 3
    assert told.startswith("-p") or (told.startswith("configs/") and "encoder" in told)


@pytest.mark.parametrize("bindings", lines(BUILT))
def test_refused_when_it_is_built(bindings, shop, capsys):
    small = [*shop.bindings(), "SmallResNet.widths=(8, 16)", "ShuffledBatches.batch_size=8"]
    typed = [flag for text in [*small, *bindings.split(";")] for flag in ("-p", text)]
    assert experiment.run(["-c", "configs/transfer.gin", "--dry-run", *typed]) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(told) == 1


def test_every_name_and_parameter_misspelt_is_refused_with_what_was_meant():
    for selector in registry.selectors():
        if not selector.startswith("fewshot."):
            continue
        name = registry.short(selector)
        for parameter in registry.parameters(selector):
            with pytest.raises(UserError, match="has no parameter"):
                registry.check_parameter(selector, f"{parameter}_x")
        with pytest.raises(UserError, match=f"Did you mean.*{name}"):
            registry.resolve(f"{name}x")
