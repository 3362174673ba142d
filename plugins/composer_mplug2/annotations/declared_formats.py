"""The formats of annotations, declared: no reader is imported before it is used."""

from __future__ import annotations

from composer.plugin import RowFormat

__all__ = ["FORMATS"]

CAPTION = ("id", "caption", "sentence", "reference", "captions", "same", "begun", "rest")
CAPTIONS = ("id", "reference", "captions")
JSON = ("ijson",)
_HERE = "composer_mplug2.annotations"


def _format(
    id_: str,
    reader: str,
    summary: str,
    files: tuple[str, ...],
    gives: tuple[str, ...],
    media: tuple[str, ...] = (),
    optional: int = 0,
    packages: tuple[str, ...] = (),
) -> RowFormat:
    return RowFormat(id_, f"{_HERE}.{reader}", summary, files, optional, (*gives, *media), media, packages)


def _glue(task: str, texts: tuple[str, ...], name: str) -> RowFormat:
    summary = f"GLUE, {name}: a table with tabs (.tsv) or a Parquet file."
    return _format(f"glue-{task}", f"glue_files:{task}", summary, ("FILE.tsv",), ("id", *texts, "truth"))


_VQA = ("questions.json", "annotations.json")
_ANSWERS = ("id", "question", "reference", "weight", "answers")
_VIDEO = ("id", "question", "reference", "answer_text")

FORMATS = (
    _format(
        "vqa",
        "question_files:question_rows",
        "VQAv2, OK-VQA: one row a question, with all its answers; of a test split the questions alone.",
        _VQA,
        _ANSWERS,
        ("image",),
        1,
        JSON,
    ),
    _format(
        "vqa-answers",
        "question_files:answer_rows",
        "VQAv2, OK-VQA, to train with: one row for each answer of a question, with its weight.",
        _VQA,
        _ANSWERS,
        ("image",),
        packages=JSON,
    ),
    _format(
        "video-questions",
        "question_files:video_questions",
        "MSRVTT-QA, MSVD-QA: one row a question; a second file maps the clips of MSVD to their numbers.",
        ("qa.json", "youtube_mapping.txt"),
        _VIDEO,
        ("video",),
        1,
        JSON,
    ),
    _format(
        "tgif-frameqa",
        "question_files:frame_questions",
        "TGIF-FrameQA: one row a question.",
        ("frameqa_question.csv",),
        _VIDEO,
        ("video",),
    ),
    _format(
        "coco-captions",
        "caption_files:coco_captions",
        "COCO captions: one row a caption.",
        ("captions.json",),
        CAPTION,
        ("image",),
        packages=JSON,
    ),
    _format(
        "coco-pictures",
        "caption_files:coco_pictures",
        "COCO captions, NoCaps: one row a picture, with all its captions.",
        ("captions.json",),
        CAPTIONS,
        ("image",),
        packages=JSON,
    ),
    _format(
        "karpathy-captions",
        "caption_files:karpathy_captions",
        "COCO and Flickr30K in Karpathy's splits: one row a caption.",
        ("dataset.json",),
        (*CAPTION, "split"),
        ("image",),
        packages=JSON,
    ),
    _format(
        "karpathy-pictures",
        "caption_files:karpathy_pictures",
        "The same: one row a picture, with all its captions.",
        ("dataset.json",),
        (*CAPTIONS, "split"),
        ("image",),
        packages=JSON,
    ),
    _format(
        "msrvtt-captions",
        "caption_files:msrvtt_captions",
        "MSRVTT: one row a sentence; a second file lists the videos that count (MSRVTT_train.9k.csv).",
        ("videodatainfo.json", "videos.csv"),
        (*CAPTION, "split"),
        ("video",),
        1,
        JSON,
    ),
    _format(
        "msrvtt-videos",
        "caption_files:msrvtt_videos",
        "The same: one row a video, with all its sentences.",
        ("videodatainfo.json", "videos.csv"),
        (*CAPTIONS, "split"),
        ("video",),
        1,
        JSON,
    ),
    _format(
        "msrvtt-pairs",
        "caption_files:msrvtt_pairs",
        "MSRVTT, the 1,000 pairs that retrieval is tested on (1k-A): one row a sentence.",
        ("MSRVTT_JSFUSION_test.csv",),
        CAPTION,
        ("video",),
    ),
    _format(
        "msvd-captions",
        "caption_files:msvd_captions",
        "MSVD: one row a sentence; a second file lists the clips of a split.",
        ("AllVideoDescriptions.txt", "list.txt"),
        CAPTION,
        ("video",),
        1,
    ),
    _format(
        "msvd-videos",
        "caption_files:msvd_videos",
        "MSVD: one row a clip, with all its sentences.",
        ("AllVideoDescriptions.txt", "list.txt"),
        CAPTIONS,
        ("video",),
        1,
    ),
    _format(
        "didemo",
        "caption_files:didemo",
        "DiDeMo: one row a video, its descriptions as one text.",
        ("data.json",),
        CAPTION,
        ("video",),
        packages=JSON,
    ),
    _format(
        "lsmdc",
        "caption_files:lsmdc",
        "LSMDC: one row a sentence.",
        ("LSMDC16_annos.csv",),
        CAPTION,
        ("video",),
    ),
    _format(
        "refcoco",
        "referring_files:referring",
        "RefCOCO, RefCOCO+, RefCOCOg: one row a phrase, with the box as parts of the picture; refs.json does, too.",
        ("refs.p", "instances.json"),
        ("id", "phrase", "truth", "split"),
        ("image",),
        packages=JSON,
    ),
    _format(
        "snli-ve",
        "pair_files:snli_ve",
        "SNLI-VE: a picture of Flickr30K, a hypothesis, a label.",
        ("snli_ve.jsonl",),
        ("id", "sentence", "truth"),
        ("image",),
    ),
    _format(
        "nlvr2",
        "pair_files:nlvr2",
        "NLVR2: two pictures, a sentence, and whether it is true.",
        ("nlvr2.json",),
        ("id", "sentence", "truth"),
        ("left", "right"),
    ),
    _format(
        "imagenet",
        "clip_files:imagenet",
        "ImageNet-1k: pictures with their synsets, and the synsets in the order of their numbers.",
        ("LOC_solution.csv", "LOC_synset_mapping.txt"),
        ("id", "label", "truth"),
        ("image",),
    ),
    _format(
        "kinetics",
        "clip_files:kinetics",
        "Kinetics-400, -600, -700: one row a clip; a second file names the classes in the order of their numbers.",
        ("annotations.csv", "classes.txt"),
        ("id", "label", "truth", "split"),
        ("video",),
        1,
    ),
    _format(
        "something-v2",
        "clip_files:something",
        "Something-Something v2: one row a video.",
        ("videos.json", "labels.json"),
        ("id", "label", "truth"),
        ("video",),
        packages=JSON,
    ),
    _glue("sst2", ("sentence",), "SST-2"),
    _glue("cola", ("sentence",), "CoLA"),
    _glue("mrpc", ("first", "second"), "MRPC"),
    _glue("qqp", ("first", "second"), "QQP"),
    _glue("mnli", ("first", "second"), "MNLI"),
    _glue("qnli", ("first", "second"), "QNLI"),
    _glue("rte", ("first", "second"), "RTE"),
    _glue("stsb", ("first", "second", "told"), "STS-B"),
)
