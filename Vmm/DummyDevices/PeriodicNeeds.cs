using Dma.UsbDevice;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>What the periodic endpoints of a device take of the bus at most, in nanoseconds of one microframe.</summary>
/// <remarks>
/// In which microframes a driver places an endpoint that is not served in each of them, nobody but the driver knows. So it
/// counts in all. What counts is the longest that the controller can be busy with it, an answer that does not come included.
/// Behind a hub these are the split transactions on the bus above. The bus below, which a translator drives, is that of one VM
/// alone, as the hub is: the VM's driver keeps its books, and nobody else need know of them.
/// </remarks>
internal static class PeriodicNeeds
{
    private const int FrameMicroframes = 8;

    /// <summary>Of all endpoints of the settings that are in use.</summary>
    /// <param name="configuration">The configuration, with all that belongs to it, as the device sent it.</param>
    /// <param name="settings">The setting of an interface.</param>
    /// <param name="isSplit">Whether the device is slower than high speed.</param>
    /// <param name="isMerged">Whether what it takes of the bus below counts, as if that were the bus above.</param>
    public static uint Of(ReadOnlySpan<byte> configuration, Func<byte, byte> settings, bool isSplit, bool isMerged)
    {
        uint needNs = 0;
        bool isUsed = false;
        for (ReadOnlySpan<byte> rest = configuration; rest.Length >= 2 && rest[0] >= 2 && rest[0] <= rest.Length; rest = rest[rest[0]..])
        {
            if (rest[1] == (byte)DescriptorType.Interface && rest[0] >= InterfaceDescriptor.Size)
            {
                InterfaceDescriptor face = Packed.Read<InterfaceDescriptor>(rest[..InterfaceDescriptor.Size]);
                isUsed = settings(face.Number) == face.AlternateSetting;
            }
            else if (isUsed && rest[1] == (byte)DescriptorType.Endpoint && rest[0] >= EndpointDescriptor.Size)
            {
                needNs += Of(Packed.Read<EndpointDescriptor>(rest[..EndpointDescriptor.Size]), isSplit, isMerged);
            }
        }

        return needNs;
    }

    private static uint Of(in EndpointDescriptor endpoint, bool isSplit, bool isMerged)
    {
        if (endpoint.TransferType is not (TransferType.Interrupt or TransferType.Isochronous))
            return 0;
        bool isIsochronous = endpoint.TransferType == TransferType.Isochronous;
        int bytes = Math.Min(endpoint.MaxPacketSize, UsbBus.PacketMax);
        int sent = endpoint.In ? 0 : bytes;
        if (isSplit)
        {
            PeriodicEndpoint slow = new(EndpointSpeed.Full, isIsochronous, endpoint.In, bytes, FrameMicroframes);
            if (isMerged)
                return slow.TranslatedNs;
            uint startNs = Math.Max(slow.StartNs, isIsochronous ? 0 : WireTime.HighSpeedUnanswered(sent));
            uint completeNs = Math.Max(slow.CompleteNs, isIsochronous ? WireTime.HighSpeedIsochronousUnanswered() : WireTime.HighSpeedUnanswered(0));
            return startNs + (slow.CompleteNs == 0 ? 0 : completeNs);
        }

        int transactions = 1 + endpoint.AdditionalTransactions;
        PeriodicEndpoint fast = new(EndpointSpeed.High, isIsochronous, endpoint.In, transactions * bytes, 1);
        uint wireNs = isIsochronous
            ? Math.Max(WireTime.HighSpeedIsochronous(bytes), endpoint.In ? WireTime.HighSpeedIsochronousUnanswered() : 0)
            : Math.Max(WireTime.HighSpeed(bytes), WireTime.HighSpeedUnanswered(sent));
        return Math.Max(fast.StartNs, (uint)transactions * wireNs);
    }
}
