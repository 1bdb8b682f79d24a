using System.Numerics;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>What the controller is told of endpoints, from their descriptors (xHCI, endpoint context initialization).</summary>
internal static class XhciEndpointContexts
{
    private const int ErrorsAllowed = 3;

    /// <summary>The context of an endpoint, but for its ring.</summary>
    public static EndpointContext Of(UsbEndpoint endpoint, DeviceSpeed speed)
    {
        EndpointDescriptor descriptor = endpoint.Descriptor;
        TransferType type = descriptor.TransferType;
        int payload = PayloadOf(endpoint, speed);
        return new()
        {
            Type = (type, endpoint.In) switch
            {
                (TransferType.Isochronous, false) => XhciEndpointType.IsochronousOut,
                (TransferType.Isochronous, true) => XhciEndpointType.IsochronousIn,
                (TransferType.Interrupt, false) => XhciEndpointType.InterruptOut,
                (TransferType.Interrupt, true) => XhciEndpointType.InterruptIn,
                (_, false) => XhciEndpointType.BulkOut,
                (_, true) => XhciEndpointType.BulkIn,
            },

            // An isochronous packet has no second chance.
            ErrorCount = type == TransferType.Isochronous ? 0 : ErrorsAllowed,
            MaxPacketSize = descriptor.MaxPacketSize,
            BurstMax = speed == DeviceSpeed.Super ? endpoint.Companion.MaxBurst : descriptor.AdditionalTransactions,
            Mult = speed == DeviceSpeed.Super && type == TransferType.Isochronous ? endpoint.Companion.Mult : 0,
            Interval = IntervalOf(descriptor, speed),
            EsitPayload = payload,
            AverageLength = type == TransferType.Bulk ? 3072 : payload,
        };
    }

    /// <summary>Bytes in a service interval of a periodic endpoint, 0 for others.</summary>
    public static int PayloadOf(UsbEndpoint endpoint, DeviceSpeed speed)
    {
        EndpointDescriptor descriptor = endpoint.Descriptor;
        if (descriptor.TransferType == TransferType.Bulk)
            return 0;
        if (speed != DeviceSpeed.Super)
            return descriptor.MaxPacketSize * (1 + descriptor.AdditionalTransactions);

        // A companion that says nothing means one packet.
        return endpoint.Companion.BytesPerInterval != 0 ? endpoint.Companion.BytesPerInterval : descriptor.MaxPacketSize;
    }

    /// <summary>The service interval as a power of two of 125 microseconds.</summary>
    public static int IntervalOf(EndpointDescriptor descriptor, DeviceSpeed speed) => (descriptor.TransferType, speed) switch
    {
        (TransferType.Bulk, _) => 0,
        (_, DeviceSpeed.High or DeviceSpeed.Super) => descriptor.Interval - 1,
        (TransferType.Isochronous, _) => descriptor.Interval - 1 + 3,

        // Frames, rounded down to a power of two.
        _ => Math.Clamp(BitOperations.Log2((uint)descriptor.Interval * 8), 3, 10),
    };
}
