"""Tiny data sets in the official formats of benchmarks, made here: samples that can be read, and one that cannot."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["ANNOTATIONS", "Annotations", "laid_out"]


@dataclass(frozen=True)
class Annotations:
    """The files of one format, what they name, and what is read of them."""

    files: Mapping[str, Any]
    """Name to content: a text, bytes, or what is written as JSON."""
    row: Mapping[str, Any]
    """Columns of the first row."""
    count: int
    """Rows that can be read."""
    fault: str
    """What is said of the sample that cannot be read; empty where a format has none such."""
    media: tuple[str, ...] = field(default=())
    """Files that the rows name, below the folder of media."""


def laid_out(name: str, folder: Path) -> str:
    """Write the files of a format into a folder, and say how `--data` names them."""
    found = ANNOTATIONS[name]
    for file, content in found.files.items():
        text = content if isinstance(content, (str, bytes)) else json.dumps(content)
        (folder / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    return f"{name.partition(' ')[0]}:{','.join(str(folder / file) for file in found.files)}"


_QUESTIONS = {
    "info": {"version": "made here"},
    "data_subtype": "val2014",
    "questions": [
        {"question_id": 7, "image_id": 5, "question": "what is it?"},
        {"question_id": 8, "question": "whose picture is missing?"},
        {"question_id": 9, "image_id": 6, "question": "is it red?"},
    ],
}
_ANSWERS = {
    "annotations": [
        {"question_id": 9, "image_id": 6, "answers": [{"answer": "yes"}]},
        {
            "question_id": 7,
            "image_id": 5,
            "question_type": "what is",
            "answer_type": "other",
            "answers": [
                {"answer": "dog", "answer_confidence": "maybe", "answer_id": 1},
                {"answer": "cat", "answer_confidence": "yes", "answer_id": 2},
            ],
            "multiple_choice_answer": "cat",
        },
    ]
}
_VQA = {"questions.json": _QUESTIONS, "annotations.json": _ANSWERS}
_PICTURE = "COCO_val2014_000000000005.jpg"
_COCO = {
    "images": [{"id": 5, "file_name": "a.jpg"}, {"id": 6, "file_name": "b.jpg"}, {"id": 7}],
    "annotations": [
        {"id": 1, "image_id": 5, "caption": "a cat"},
        {"id": 2, "image_id": 5, "caption": "one cat"},
        {"id": 3, "image_id": 6},
    ],
}
_KARPATHY = {
    "dataset": "coco",
    "images": [
        {
            "imgid": 3, "filename": "a.jpg", "filepath": "val2014", "split": "restval",
            "sentences": [{"raw": "a cat", "sentid": 1}, {"raw": "one cat", "sentid": 2}],
        },
        {"imgid": 4, "filename": "b.jpg", "split": "val"},
    ],
}  # fmt: skip
_MSRVTT = {
    "videos": [{"video_id": "video3", "split": "train"}, {"video_id": "video4"}],
    "sentences": [
        {"sen_id": 8, "video_id": "video3", "caption": "a man runs"},
        {"sen_id": 9, "video_id": "video3", "caption": "he runs"},
        {"sen_id": 10, "video_id": "video99", "caption": "of a video that is not there"},
    ],
}
_PAIRS = 'key,vid_key,video_id,sentence\nret0,msr9770,video9770,"a man, who runs"\nret1,msr9771,video9771\n'
_MSVD = "# made here\nabc_1_5 a man is running\nabc_1_5 someone runs\nother_2_3 a cat sits\n"
_REFERENCES = [
    {"image_id": 5, "ann_id": 11, "split": "testA", "sentences": [{"sent_id": 2, "sent": "the left cat"}]},
    {"image_id": 5, "ann_id": 99, "split": "val", "sentences": [{"sent_id": 3, "sent": "no box"}]},
]
_PICKLED = pickle.dumps(_REFERENCES, protocol=0, fix_imports=True).replace(
    b"Vthe left cat", b"S'the left caf\\xc3\\xa9'"
)
"""As Python 2 wrote it, whose texts are bytes."""
_INSTANCES = {
    "images": [{"id": 5, "file_name": "COCO_train2014_5.jpg", "width": 200, "height": 100}],
    "annotations": [{"id": 11, "image_id": 5, "bbox": [20, 10, 100, 50]}],
}
_QA = [
    {"id": 1, "video_id": 3, "question": "who runs?", "answer": "man", "category_id": 2},
    {"id": 2, "video_id": 3, "question": "no answer"},
]
_TGIF = (
    "gif_name\tquestion\tanswer\ttype\tvid_id\tkey\tdescription\n"
    "tumblr_a\twhat sits ?\tcat\t0\tFRAMEQA1\t4\ta cat sits .\n"
    "tumblr_a\twhat is the cat 's color ?\tred\t2\tFRAMEQA2\t4\ta red cat sits .\n"
    "tumblr_b\tno answer\n"
)
"""Two questions on one picture, which `key` numbers."""
_DIDEMO = [
    {"annotation_id": 1, "video": "v1.mov", "description": "a cat sits", "times": [[0, 1]]},
    {"annotation_id": 2, "video": "v1.mov", "description": "it leaves", "times": [[1, 1]]},
    {"annotation_id": 3, "description": "of no video"},
]
_LSMDC = (
    "0001_Film_00.00.01.000-00.00.02.000\t0\t1\t0\t1\tSOMEONE runs.\n0001_Film_00.00.03.000-00.00.04.000\t0\n"
)
_SNLI_VE = {"pairID": "1", "Flickr30K_ID": "33", "sentence2": "a cat", "gold_label": "neutral"}
_NLVR2 = {
    "validation": {"77": "True"}, "sentence": "two cats", "left_url": "", "writer": "103", "label": "True",
    "right_url": "", "synset": "cat", "query": "cats", "identifier": "dev-1-2-0", "extra_validations": {"56": "True"},
}  # fmt: skip

ANNOTATIONS: Mapping[str, Annotations] = {
    "vqa": Annotations(
        _VQA,
        {"id": 7, "image": _PICTURE, "reference": "cat", "weight": 1.0, "answers": ["dog", "cat"]},
        2,
        "question 2 of questions.json has no `image_id`",
        (_PICTURE,),
    ),
    "vqa-answers": Annotations(
        _VQA,
        {"id": "7/0", "image": _PICTURE, "reference": "dog", "weight": 1 / 2},
        3,
        "question 2 of questions.json has no `image_id`",
        (_PICTURE,),
    ),
    "video-questions": Annotations(
        {"qa.json": _QA},
        {"id": 1, "video": "video3.mp4", "question": "who runs?", "reference": "man"},
        1,
        "question 2 of qa.json has no `answer`",
        ("video3.mp4",),
    ),
    "video-questions of MSVD": Annotations(
        {"qa.json": _QA, "youtube_mapping.txt": "abc_1_5 vid3\n"},
        {"video": "abc_1_5.avi"},
        1,
        "question 2 of qa.json has no `answer`",
        ("abc_1_5.avi",),
    ),
    "tgif-frameqa": Annotations(
        {"Test_frameqa_question.csv": _TGIF},
        {"id": "FRAMEQA1", "video": "tumblr_a.gif", "question": "what sits ?", "answer_text": "cat"},
        2,
        "question 3 of Test_frameqa_question.csv has no `vid_id`",
        ("tumblr_a.gif",),
    ),
    "coco-captions": Annotations(
        {"captions.json": _COCO},
        {"id": 1, "image": "val2014/a.jpg", "caption": "a cat", "captions": ["a cat", "one cat"], "same": 5},
        2,
        "annotation 3 of captions.json has no `caption`",
        ("val2014/a.jpg",),
    ),
    "coco-pictures": Annotations(
        {"captions.json": _COCO},
        {"id": 5, "image": "a.jpg", "captions": ["a cat", "one cat"]},
        2,
        "picture 3 of captions.json has no `file_name`",
        ("a.jpg",),
    ),
    "karpathy-captions": Annotations(
        {"dataset_coco.json": _KARPATHY},
        {"id": 1, "image": "val2014/a.jpg", "caption": "a cat", "split": "train", "same": 3},
        2,
        "picture 2 of dataset_coco.json has no `sentences`",
        ("val2014/a.jpg",),
    ),
    "karpathy-pictures": Annotations(
        {"dataset_coco.json": _KARPATHY},
        {"id": 3, "image": "a.jpg", "captions": ["a cat", "one cat"]},
        1,
        "picture 2 of dataset_coco.json has no `sentences`",
        ("a.jpg",),
    ),
    "msrvtt-captions": Annotations(
        {"videodatainfo.json": _MSRVTT},
        {"id": 8, "video": "video3.mp4", "split": "train", "captions": ["a man runs", "he runs"], "same": 3},
        2,
        "sentence 3 of videodatainfo.json has no `video99`",
        ("video3.mp4",),
    ),
    "msrvtt-videos": Annotations(
        {"videodatainfo.json": _MSRVTT},
        {"id": "video3", "video": "video3.mp4", "split": "train", "captions": ["a man runs", "he runs"]},
        1,
        "video 2 of videodatainfo.json has no `split`",
        ("video3.mp4",),
    ),
    "msrvtt-captions of a list": Annotations(
        {"MSRVTT_data.json": _MSRVTT, "MSRVTT_train.9k.csv": "video_id\nvideo4\nvideo3\n"},
        {"id": 8, "caption": "a man runs", "begun": "a", "rest": "man runs"},
        2,
        "",
    ),
    "msrvtt-pairs": Annotations(
        {"MSRVTT_JSFUSION_test.csv": _PAIRS},
        {"id": "ret0", "video": "video9770.mp4", "caption": "a man, who runs", "same": 9770},
        1,
        "line 2 of MSRVTT_JSFUSION_test.csv has no `sentence`",
        ("video9770.mp4",),
    ),
    "msvd-captions": Annotations(
        {"AllVideoDescriptions.txt": _MSVD, "train_list.txt": "abc_1_5\n"},
        {"id": "abc_1_5/0", "video": "abc_1_5.avi", "caption": "a man is running"},
        2,
        "",
        ("abc_1_5.avi",),
    ),
    "msvd-videos": Annotations(
        {"AllVideoDescriptions.txt": _MSVD},
        {"id": "abc_1_5", "captions": ["a man is running", "someone runs"]},
        2,
        "",
    ),
    "didemo": Annotations(
        {"test_data.json": _DIDEMO},
        {"id": "v1.mov", "video": "v1.mp4", "caption": "a cat sits it leaves"},
        1,
        "description 3 of test_data.json has no `video`",
        ("v1.mp4",),
    ),
    "lsmdc": Annotations(
        {"LSMDC16_annos_test.csv": _LSMDC},
        {"video": "0001_Film/0001_Film_00.00.01.000-00.00.02.000.avi", "caption": "SOMEONE runs."},
        1,
        "line 2 of LSMDC16_annos_test.csv has no `sentence`",
        ("0001_Film/0001_Film_00.00.01.000-00.00.02.000.avi",),
    ),
    "refcoco": Annotations(
        {"refs(unc).p": _PICKLED, "instances.json": _INSTANCES},
        {"id": 2, "phrase": "the left caf\u00e9", "truth": [0.1, 0.1, 0.5, 0.5], "split": "testA"},
        1,
        "reference 2 of refs(unc).p has no `99`",
        ("COCO_train2014_5.jpg",),
    ),
    "snli-ve": Annotations(
        {"snli_ve_dev.jsonl": f'{json.dumps(_SNLI_VE)}\n{{"pairID": "2", "Flickr\n'},
        {"id": "1", "image": "33.jpg", "sentence": "a cat", "truth": "neutral"},
        1,
        "line 2 of snli_ve_dev.jsonl is not of the format",
        ("33.jpg",),
    ),
    "nlvr2": Annotations(
        {"dev.json": f'{json.dumps(_NLVR2)}\n{{"identifier": "dev-1-3-0"}}\n'},
        {"id": "dev-1-2-0", "left": "dev/dev-1-2-img0.png", "truth": "True"},
        1,
        "line 2 of dev.json has no `sentence`",
        ("dev/dev-1-2-img0.png", "dev/dev-1-2-img1.png"),
    ),
    "nlvr2 of training": Annotations(
        {"train.json": json.dumps({**_NLVR2, "identifier": "train-1-2-0", "directory": 39}) + "\n"},
        {"id": "train-1-2-0", "left": "images/train/39/train-1-2-img0.png"},
        1,
        "",
        ("images/train/39/train-1-2-img0.png", "images/train/39/train-1-2-img1.png"),
    ),
    "something-v2 of a test": Annotations(
        {"test.json": [{"id": "1420"}], "labels.json": {"Holding something": "0"}},
        {"id": "1420", "video": "1420.webm"},
        1,
        "",
    ),
    "imagenet": Annotations(
        {
            "LOC_val_solution.csv": "ImageId,PredictionString\nval_1,n2 1 2 3 4 n2 5 6 7 8\nval_2,n9 1 2 3 4\n",
            "LOC_synset_mapping.txt": "n1 tench, Tinca tinca\nn2 goldfish\n",
        },
        {"id": "val_1", "image": "val/val_1.JPEG", "label": "n2", "truth": 1},
        1,
        "line 2 of LOC_val_solution.csv is not of the format: its class 'n9' is none of the 2 that are named",
        ("val/val_1.JPEG",),
    ),
    "kinetics": Annotations(
        {
            "train.csv": "label,youtube_id,time_start,time_end,split,is_cc\n"
            '"dancing",xyz,12,22,train,0\nrunning,x,a,b,train,0\n',
            "classes.txt": "abseiling\ndancing\n",
        },
        {"id": "xyz_000012_000022", "video": "dancing/xyz_000012_000022.mp4", "truth": 1, "split": "train"},
        1,
        "line 2 of train.csv is not of the format",
        ("dancing/xyz_000012_000022.mp4",),
    ),
    "kinetics with names": Annotations(
        {"val.csv": "label,youtube_id,time_start,time_end,split\ndancing,xyz,12,22,validate\n"},
        {"video": "val/dancing/xyz_000012_000022.mp4", "truth": "dancing"},
        1,
        "",
        ("val/dancing/xyz_000012_000022.mp4",),
    ),
    "kinetics of a test": Annotations(
        {"test.csv": "youtube_id,time_start,time_end,split\nxyz,0.0,10.0,test\n"},
        {"video": "xyz_000000_000010.mp4", "split": "test"},
        1,
        "",
    ),
    "something-v2": Annotations(
        {
            "videos.json": [
                {"id": "7", "label": "holding a cup", "template": "Holding [something]"},
                {"id": "8", "template": "Eating [something]"},
            ],
            "labels.json": {"Approaching something": "0", "Holding something": "1"},
        },
        {"id": "7", "video": "7.webm", "truth": 1},
        1,
        "video 2 of videos.json is not of the format: its class 'Eating something' is none of the 2",
        ("7.webm",),
    ),
    "glue-sst2": Annotations(
        {"train.tsv": 'sentence\tlabel\nit is "good \t1\nbad\t7\n'},
        {"id": "train-0", "sentence": 'it is "good ', "truth": "positive"},
        1,
        "row 2 of train.tsv is not of the format: its class is '7', and the classes are negative, positive",
    ),
    "glue-cola": Annotations(
        {"train.tsv": "gj04\t1\t\tThe cat sat.\ngj04\t0\t*\t\n"},
        {"id": "train-0", "sentence": "The cat sat.", "truth": "acceptable"},
        1,
        "row 2 of train.tsv is not of the format: its `sentence` has no text",
    ),
    "glue-mrpc": Annotations(
        {"train.tsv": "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tA cat.\tOne cat.\n1\t7\n"},
        {"first": "A cat.", "second": "One cat.", "truth": "same"},
        1,
        "row 2 of train.tsv has no `#1 String`",
    ),
    "glue-qqp": Annotations(
        {
            "dev.tsv": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tWhy?\tHow?\t0\n2\t3\t4\tWhy?\n"
        },
        {"id": "dev-1", "first": "Why?", "second": "How?", "truth": "different"},
        1,
        "row 2 of dev.tsv has no `question2`",
    ),
    "glue-mnli": Annotations(
        {"dev.tsv": "index\tsentence1\tsentence2\tgold_label\n0\tA.\tB.\tcontradiction\n1\tA.\tB.\t-\n"},
        {"first": "A.", "second": "B.", "truth": "contradiction"},
        1,
        "row 2 of dev.tsv is not of the format: its class is '-'",
    ),
    "glue-qnli": Annotations(
        {"dev.tsv": "index\tquestion\tsentence\tlabel\n0\tWho?\tHe.\tnot_entailment\n1\tWho?\n"},
        {"first": "Who?", "second": "He.", "truth": "not_entailment"},
        1,
        "row 2 of dev.tsv has no `sentence`",
    ),
    "glue-rte": Annotations(
        {"test.tsv": "index\tsentence1\tsentence2\n0\tA.\tB.\n1\tA.\n"},
        {"first": "A.", "second": "B."},
        1,
        "row 2 of test.tsv has no `sentence2`",
    ),
    "glue-rte of a test": Annotations(
        {"test.tsv": "sentence1\tsentence2\tlabel\tidx\nA.\tB.\t-1\t0\n"},
        {"id": "test-0", "first": "A.", "second": "B."},
        1,
        "",
    ),
    "glue-stsb": Annotations(
        {"train.tsv": "index\tsentence1\tsentence2\tscore\n0\tA.\tB.\t4.5\n1\tA.\tB.\tmuch\n"},
        {"first": "A.", "second": "B.", "truth": 4.5},
        1,
        "row 2 of train.tsv is not of the format",
    ),
}
"""Format, perhaps with a word about the variant, to its files."""
