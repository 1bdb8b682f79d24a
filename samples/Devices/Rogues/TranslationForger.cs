using Dma.Machine;

namespace Dma.Devices;

/// <summary>A device that says of an address that it was translated, and never asked (AT = 10).</summary>
public sealed class TranslationForger : RogueDevice, IDeviceTlb
{
    /// <summary>A device that can translate for itself, as far as its capability says.</summary>
    public TranslationForger()
    {
        _ = AddCapability(new AtsCapability());
        ConnectDeviceTlb(this);
    }

    /// <inheritdoc/>
    public override string Habit => "writes memory of its neighbour as an address that it translated";

    /// <inheritdoc/>
    public override DmaStatus Misbehave(in RogueTarget target) =>
        WriteMark(Dma, target.NeighbourMemory.Value, new(AddressType.Translated));

    /// <inheritdoc/>
    DeviceTlbAnswer IDeviceTlb.Invalidate(in DeviceTlbInvalidation request) => DeviceTlbAnswer.Completed;

    /// <inheritdoc/>
    void IDeviceTlb.Respond(in PageGroupResponse response)
    {
    }
}
