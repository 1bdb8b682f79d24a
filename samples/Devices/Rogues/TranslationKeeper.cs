using Dma.Machine;

namespace Dma.Devices;

/// <summary>A device that says that it has forgotten a translation, and goes on using it.</summary>
public sealed class TranslationKeeper : RogueDevice, IDeviceTlb
{
    private TranslationCompletion _kept = TranslationCompletion.Refused(TranslationStatus.UnsupportedRequest);

    /// <summary>A device that can translate for itself.</summary>
    public TranslationKeeper()
    {
        _ = AddCapability(new AtsCapability());
        ConnectDeviceTlb(this);
    }

    /// <inheritdoc/>
    public override string Habit => "uses a translation that it was told to forget";

    /// <inheritdoc/>
    public override void Prepare(in RogueTarget target) => _kept = Dma.RequestTranslation(target.Buffer, wantsWrite: true);

    /// <summary>It writes to where its buffer was, and untranslated where it was never told.</summary>
    public override DmaStatus Misbehave(in RogueTarget target) => _kept.Write
        ? WriteMark(Dma, _kept.Address.Value, new(AddressType.Translated))
        : WriteMark(Dma, target.Buffer.Value);

    /// <inheritdoc/>
    DeviceTlbAnswer IDeviceTlb.Invalidate(in DeviceTlbInvalidation request) => DeviceTlbAnswer.Completed;

    /// <inheritdoc/>
    void IDeviceTlb.Respond(in PageGroupResponse response)
    {
    }
}
