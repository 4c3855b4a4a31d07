dataset_info = dict(
    dataset_name='gestures',
    paper_info=dict(author='A. User', title='Gestures', container='', year='2024', homepage=''),
    keypoint_info={
        0: dict(name='head', id=0, color=[51, 153, 255], type='upper', swap=''),
        1: dict(name='left_hand', id=1, color=[0, 255, 0], type='upper', swap='right_hand'),
        2: dict(name='right_hand', id=2, color=[255, 128, 0], type='upper', swap='left_hand'),
        3: dict(name='left_foot', id=3, color=[0, 255, 0], type='lower', swap='right_foot'),
        4: dict(name='right_foot', id=4, color=[255, 128, 0], type='lower', swap='left_foot'),
    },
    skeleton_info={
        0: dict(link=('head', 'left_hand'), id=0, color=[0, 255, 0]),
        1: dict(link=('head', 'right_hand'), id=1, color=[255, 128, 0]),
        2: dict(link=('left_foot', 'right_foot'), id=2, color=[51, 153, 255]),
    },
    joint_weights=[1.0, 1.2, 1.2, 1.5, 1.5],
    sigmas=[0.026, 0.062, 0.062, 0.089, 0.089],
)
