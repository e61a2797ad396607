#include "loaders/model_types.h"

#include "loaders/words.h"

namespace gptq_doctor {
namespace {

// CONFIG_MAPPING_NAMES of huggingface/transformers src/transformers/models/auto/configuration_auto.py at 4.44.2, 4.55.0
// and 5.4.0, auto_mappings.py at 5.13.0.dev0: space-separated, each name where it is first.
constexpr std::string_view k444 =  // 4.44.2
    "albert align altclip audio-spectrogram-transformer autoformer bark bart beit bert bert-generation big_bird "
    "bigbird_pegasus biogpt bit blenderbot blenderbot-small blip blip-2 bloom bridgetower bros camembert canine "
    "chameleon chinese_clip chinese_clip_vision_model clap clip clip_vision_model clipseg clvp code_llama codegen "
    "cohere conditional_detr convbert convnext convnextv2 cpmant ctrl cvt data2vec-audio data2vec-text "
    "data2vec-vision dbrx deberta deberta-v2 decision_transformer deformable_detr deit depth_anything detr dinat "
    "dinov2 distilbert donut-swin dpr dpt efficientnet electra encodec encoder-decoder ernie esm falcon "
    "fastspeech2_conformer flaubert flava fnet focalnet fsmt funnel fuyu gemma gemma2 git glpn gpt-sw3 gpt2 "
    "gpt_bigcode gpt_neo gpt_neox gpt_neox_japanese gptj grounding-dino groupvit hiera hubert ibert idefics "
    "idefics2 imagegpt informer instructblip instructblipvideo jamba jetmoe kosmos-2 layoutlm layoutlmv2 "
    "layoutlmv3 led levit lilt llama llava llava_next longformer longt5 luke lxmert m2m_100 mamba mamba2 marian "
    "markuplm mask2former maskformer maskformer-swin mbart megatron-bert mgp-str mistral mixtral mobilebert "
    "mobilenet_v1 mobilenet_v2 mobilevit mobilevitv2 mpnet mpt mra mt5 musicgen musicgen_melody mvp nemotron "
    "nllb-moe nougat nystromformer olmo oneformer openai-gpt opt owlv2 owlvit paligemma patchtsmixer patchtst "
    "pegasus pegasus_x perceiver persimmon phi phi3 pix2struct plbart poolformer pop2piano prophetnet pvt pvt_v2 "
    "qwen2 qwen2_moe rag recurrent_gemma reformer regnet rembert resnet roberta roberta-prelayernorm roc_bert "
    "roformer rt_detr rt_detr_resnet rwkv sam seamless_m4t seamless_m4t_v2 segformer seggpt sew sew-d siglip "
    "siglip_vision_model speech-encoder-decoder speech_to_text speecht5 splinter squeezebert stablelm starcoder2 "
    "superpoint swiftformer swin swin2sr swinv2 switch_transformers t5 table-transformer tapas "
    "time_series_transformer timesformer timm_backbone trocr tvp udop umt5 unispeech unispeech-sat univnet "
    "upernet video_llava videomae vilt vipllava vision-encoder-decoder vision-text-dual-encoder visual_bert vit "
    "vit_mae vit_msn vitdet vitmatte vits vivit wav2vec2 wav2vec2-bert wav2vec2-conformer wavlm whisper xclip "
    "xglm xlm xlm-roberta xlm-roberta-xl xlnet xmod yolos yoso zoedepth";
constexpr std::string_view k455 =  // 4.55.0
    "aimv2 aimv2_vision_model arcee aria aria_text aya_vision bamba bitnet blip_2_qformer clip_text_model cohere2 "
    "cohere2_vision colpali colqwen2 csm d_fine dab-detr dac deepseek_v2 deepseek_v3 deepseek_vl "
    "deepseek_vl_hybrid depth_pro dia diffllama dinov2_with_registers doge dots1 efficientloftr emu3 eomt "
    "ernie4_5 ernie4_5_moe evolla exaone4 falcon_h1 falcon_mamba fastspeech2_conformer_with_hifigan gemma3 "
    "gemma3_text gemma3n gemma3n_audio gemma3n_text gemma3n_vision glm glm4 glm4_moe glm4v glm4v_text got_ocr2 "
    "gpt_oss granite granite_speech granitemoe granitemoehybrid granitemoeshared granitevision helium hgnet_v2 "
    "idefics3 idefics3_vision ijepa internvl internvl_vision janus kyutai_speech_to_text lfm2 lightglue llama4 "
    "llama4_text llava_next_video llava_onevision mimi minimax mistral3 mlcd mllama mm-grounding-dino modernbert "
    "modernbert-decoder moonshine moshi olmo2 olmoe omdet-turbo perception_lm phi4_multimodal phimoe pixtral "
    "prompt_depth_anything qwen2_5_omni qwen2_5_vl qwen2_5_vl_text qwen2_audio qwen2_audio_encoder qwen2_vl "
    "qwen2_vl_text qwen3 qwen3_moe rt_detr_v2 sam_hq sam_hq_vision_model sam_vision_model shieldgemma2 siglip2 "
    "smollm3 smolvlm smolvlm_vision superglue t5gemma textnet timesfm timm_wrapper vitpose vitpose_backbone "
    "vjepa2 voxtral voxtral_encoder xlstm zamba zamba2";
constexpr std::string_view k54 =  // 5.4.0
    "afmoe apertus audioflamingo3 audioflamingo3_encoder blt chmv2 cohere_asr colmodernvbert cwm dinov3_convnext "
    "dinov3_vit edgetam edgetam_video edgetam_vision_model eomt_dinov3 ernie4_5_vl_moe eurobert exaone_moe "
    "fast_vlm flex_olmo florence2 glm46v glm4_moe_lite glm4v_moe glm4v_moe_text glm4v_moe_vision glm4v_vision "
    "glm_image glm_image_text glm_image_vision glm_image_vqmodel glm_moe_dsa glm_ocr glm_ocr_text glm_ocr_vision "
    "glmasr glmasr_encoder higgs_audio_v2 higgs_audio_v2_tokenizer hunyuan_v1_dense hunyuan_v1_moe jais2 "
    "jina_embeddings_v3 kosmos-2.5 lasr_ctc lasr_encoder layoutxlm lfm2_moe lfm2_vl lighton_ocr longcat_flash "
    "lw_detr lw_detr_vit metaclip_2 minimax_m2 ministral ministral3 mistral4 mlcd_vision_model modernvbert "
    "moonshine_streaming moonshine_streaming_encoder nanochat nemotron_h olmo3 olmo_hybrid ovis2 paddleocr_vl "
    "parakeet_ctc parakeet_encoder pe_audio pe_audio_encoder pe_audio_video pe_audio_video_encoder pe_video "
    "pe_video_encoder pi0 pixio pp_chart2table pp_doclayout_v2 pp_doclayout_v3 pp_lcnet pp_lcnet_v3 "
    "pp_ocrv5_mobile_det pp_ocrv5_mobile_rec pp_ocrv5_server_det pp_ocrv5_server_rec qwen3_5 qwen3_5_moe "
    "qwen3_5_moe_text qwen3_5_text qwen3_next qwen3_omni_moe qwen3_vl qwen3_vl_moe qwen3_vl_moe_text "
    "qwen3_vl_text sam2 sam2_hiera_det_model sam2_video sam2_vision_model sam3 sam3_tracker sam3_tracker_video "
    "sam3_video sam3_vision_model sam3_vit_model seed_oss siglip2_vision_model slanext solar_open t5gemma2 "
    "t5gemma2_encoder timesfm2_5 uvdoc uvdoc_backbone vaultgemma vibevoice_acoustic_tokenizer "
    "vibevoice_acoustic_tokenizer_decoder vibevoice_acoustic_tokenizer_encoder vibevoice_asr video_llama_3 "
    "video_llama_3_vision videomt voxtral_realtime voxtral_realtime_encoder voxtral_realtime_text xcodec youtu";
constexpr std::string_view kLater =  // 5.13.0.dev0
    "aimv2_text_model align_text_model align_vision_model altclip_text_model altclip_vision_model "
    "blip_2_vision_model blip_text_model blip_vision_model blt_global_transformer blt_local_decoder "
    "blt_local_encoder blt_patcher bridgetower_text_model bridgetower_vision_model chameleon_vqgan "
    "chinese_clip_text_model clap_audio_model clap_text_model clipseg_text_model clipseg_vision_model "
    "clvp_decoder clvp_encoder cohere2_moe cosmos3_omni csm_depth_decoder_model deepseek_ocr2 "
    "deepseek_ocr2_encoder deepseek_ocr2_sam_vision_model deepseek_ocr2_text deepseek_ocr2_vision deepseek_v32 "
    "deepseek_v4 deimv2 dia_decoder dia_encoder diffusion_gemma diffusion_gemma_text emu3_text_model emu3_vqgan "
    "ernie4_5_vl_moe_text ernie4_5_vl_moe_vision exaone4_5 exaone4_5_vision fastspeech2_conformer_hifigan "
    "flava_image_model flava_multimodal_model flava_text_model florence_vision gemma4 gemma4_assistant "
    "gemma4_audio gemma4_text gemma4_unified gemma4_unified_assistant gemma4_unified_audio gemma4_unified_text "
    "gemma4_unified_vision gemma4_vision git_vision_model glmga granite4_vision granite4_vision_text "
    "granite_speech_encoder granite_speech_plus granite_speech_plus_encoder groupvit_text_model "
    "groupvit_vision_model hrm_text hy_v3 hyperclovax idefics2_perceiver idefics2_vision idefics_perciever "
    "idefics_vision instructblip_qformer instructblip_vision_model instructblipvideo_qformer "
    "instructblipvideo_vision_model janus_vision_model janus_vqgan kosmos_2_5_text_model kosmos_2_5_vision_model "
    "kosmos_2_text_model kosmos_2_vision_model laguna llama4_vision_model mellum metaclip_2_text_model "
    "metaclip_2_vision_model minicpmv4_6 minicpmv4_6_vision minimax_m3_vl minimax_m3_vl_text minimax_m3_vl_vision "
    "mllama_text_model mllama_vision_model moshi_depth musicflamingo musicgen_decoder musicgen_melody_decoder "
    "nomic_bert openai_privacy_filter owlv2_text_model owlv2_vision_model owlvit_text_model owlvit_vision_model "
    "paddleocr_vl_text paddleocr_vl_vision parakeet_rnnt phi4_multimodal_audio phi4_multimodal_vision "
    "pix2struct_text_model pix2struct_vision_model pp_formulanet pp_lcnet_v4 pp_ocrv6_medium_det "
    "pp_ocrv6_small_det pp_ocrv6_small_rec pp_ocrv6_tiny_rec qianfan_ocr qianfan_ocr_vision "
    "qwen2_5_omni_audio_encoder qwen2_5_omni_bigvgan qwen2_5_omni_dit qwen2_5_omni_talker qwen2_5_omni_text "
    "qwen2_5_omni_thinker qwen2_5_omni_token2wav qwen2_5_omni_vision_encoder qwen2_5_vl_vision qwen2_vl_vision "
    "qwen3_5_moe_vision qwen3_5_vision qwen3_omni_moe_audio_encoder qwen3_omni_moe_talker_code_predictor "
    "qwen3_omni_moe_talker_text qwen3_omni_moe_text qwen3_omni_moe_thinker qwen3_omni_moe_vision_encoder "
    "qwen3_vl_moe_vision qwen3_vl_vision rf_detr rf_detr_dinov2 sam3_detr_decoder sam3_detr_encoder "
    "sam3_geometry_encoder sam3_lite_text sam3_lite_text_detr_decoder sam3_lite_text_detr_encoder "
    "sam3_lite_text_geometry_encoder sam3_lite_text_mask_decoder sam3_lite_text_text_model sam3_mask_decoder "
    "sapiens2 sapiens2_head siglip2_text_model siglip_text_model slanet speecht5_hifigan t5_gemma_module "
    "t5gemma2_decoder t5gemma2_text xclip_text_model xclip_vision_model";
constexpr std::string_view kGone =  // 4.44.2 and 4.55.0, no longer 5.4.0
    "deta efficientformer ernie_m gptsan-japanese graphormer jukebox llava-next-video mctct mega nat nezha "
    "open-llama qdqbert realm retribert speech_to_text_2 trajectory_transformer transfo-xl tvlt van vit_hybrid "
    "xlm-prophetnet";
constexpr std::string_view kGoneLate =  // 4.55.0 alone
    "perception_encoder";

struct Names {
  std::string_view words;
  Version since, until;
};
constexpr Version kEnd = {kMainVersion.major + 1, 0, 0};
constexpr Names kAll[] = {{k444, {}, kEnd},          {k455, {4, 49, 0}, kEnd}, {k54, {5, 0, 0}, kEnd},
                          {kLater, {5, 5, 0}, kEnd}, {kGone, {}, {5, 0, 0}},   {kGoneLate, {4, 49, 0}, {5, 0, 0}}};

}  // namespace

bool KnowsModelType(const Version& transformers, std::string_view type) {
  for (const Names& names : kAll) {
    const bool any = transformers == Version{};
    if ((any || (names.since <= transformers && transformers < names.until)) && HasWord(names.words, type)) return true;
  }
  return false;
}

std::string_view TypeInName(std::string_view name) {
  std::string_view longest;
  for (const Names& names : kAll) {
    if (names.since >= Version{5, 0, 0}) continue;
    AnyWord(names.words, [&](std::string_view word) {
      if (word.size() > longest.size() && name.find(word) != std::string_view::npos) longest = word;
      return false;
    });
  }
  return longest;
}

}  // namespace gptq_doctor
