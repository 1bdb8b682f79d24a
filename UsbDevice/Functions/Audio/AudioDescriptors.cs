using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>What audio devices say about themselves: a terminal, a feature unit, a terminal, and a stream that can be switched off.</summary>
internal static class AudioDescriptors
{
    /// <summary>The interface with the controls.</summary>
    public const int ControlInterface = 0;

    /// <summary>The interface with the stream; setting 0 is off, and takes no bandwidth.</summary>
    public const int StreamingInterface = 1;

    /// <summary>The setting in which the stream is on.</summary>
    public const int StreamingSetting = 1;

    /// <summary>The endpoint of the stream.</summary>
    public const int StreamEndpoint = 1;

    /// <summary>The feature unit.</summary>
    public const int FeatureUnitId = 2;

    private const byte InputTerminalId = 1;
    private const byte OutputTerminalId = 3;
    private const byte ControlMapBytes = 2;
    private const byte MapMute = 1 << 0;
    private const byte MapVolume = 1 << 1;
    private const int Synchronous = 3;
    private const byte MillisecondInMicroframes = 4;
    private const int RateMin = 8000;
    private const int RateMax = 96000;

    /// <summary>How often a packet is due, in nanoseconds.</summary>
    public static uint IntervalNs(AudioOptions options, UsbSpeed speed) =>
        speed == UsbSpeed.High && options.EveryMicroframe ? WireTime.MicroframeNs : WireTime.FrameNs;

    /// <summary>All descriptors of an audio device.</summary>
    /// <param name="options">What it can do.</param>
    /// <param name="speed">Full or high.</param>
    /// <param name="isSource">Whether it is a microphone, not a speaker.</param>
    /// <exception cref="ArgumentException">There is no such device.</exception>
    public static DescriptorSet Of(AudioOptions options, UsbSpeed speed, bool isSource)
    {
        if (speed is not (UsbSpeed.Full or UsbSpeed.High))
            throw new ArgumentException("Audio devices work at full and high speed.");
        if (options.Channels is not (1 or 2) || options.Rates.Count is 0 or > 16 || options.Rates.Any(rate => rate is < RateMin or > RateMax))
            throw new ArgumentException($"Audio devices have 1 or 2 channels and sampling rates from {RateMin} to {RateMax} Hz.");
        (DescriptorSet high, DescriptorSet full) = (Build(options, UsbSpeed.High, isSource), Build(options, UsbSpeed.Full, isSource));
        DescriptorSet.Pair(high, full);
        return speed == UsbSpeed.High ? high : full;
    }

    private static DescriptorSet Build(AudioOptions options, UsbSpeed speed, bool isSource)
    {
        DeviceDescriptor device = new()
        {
            UsbVersion = 0x0200,
            MaxPacketSize0 = 64,
            VendorId = 0x1209,
            ProductId = (ushort)(isSource ? 0x0006 : 0x0007),
            DeviceVersion = 0x0100,
            ManufacturerString = 1,
            ProductString = 2,
        };
        return new(device, [Configuration(options, speed, isSource)], ["DMA", isSource ? "Microphone" : "Speaker"]);
    }

    private static byte[] Configuration(AudioOptions options, UsbSpeed speed, bool isSource)
    {
        ConfigurationBuilder builder = new(new() { Value = 1, MaxPower = 50 });
        _ = builder.Interface(new() { Number = ControlInterface, Class = DeviceClass.Audio, Subclass = (byte)AudioSubclass.Control });
        byte[] topology = Topology(options, isSource);
        AudioHeaderDescriptor header = new()
        {
            Length = AudioHeaderDescriptor.Size,
            Type = DescriptorType.ClassInterface,
            Subtype = AudioControlSubtype.Header,
            AudioVersion = 0x0100,
            TotalLength = (ushort)(AudioHeaderDescriptor.Size + topology.Length),
            InterfaceCount = 1,
            StreamingInterface = StreamingInterface,
        };
        InterfaceDescriptor stream = new() { Number = StreamingInterface, Class = DeviceClass.Audio, Subclass = (byte)AudioSubclass.Streaming };
        _ = builder.Add(Packed.ToArray(header, AudioHeaderDescriptor.Size)).Add(topology).Interface(stream)
            .Interface(stream with { AlternateSetting = StreamingSetting });
        AddStream(builder, options, speed, isSource);
        return builder.ToArray();
    }

    private static byte[] Topology(AudioOptions options, bool isSource)
    {
        int unitLength = FeatureUnitDescriptor.Size + (ControlMapBytes * (options.Channels + 1)) + 1;
        byte[] maps = [MapMute, 0, .. Enumerable.Repeat((byte[])[MapVolume, 0], options.Channels).SelectMany(map => map)];
        return
        [
            .. Packed.ToArray(
                new InputTerminalDescriptor
                {
                    Length = InputTerminalDescriptor.Size,
                    Type = DescriptorType.ClassInterface,
                    Subtype = AudioControlSubtype.InputTerminal,
                    Id = InputTerminalId,
                    Terminal = isSource ? TerminalType.Microphone : TerminalType.UsbStreaming,
                    Channels = (byte)options.Channels,
                    ChannelPlaces = (ushort)(options.Channels == 2 ? 0b11 : 0),
                },
                InputTerminalDescriptor.Size),
            .. Packed.ToArray(
                new FeatureUnitDescriptor
                {
                    Length = (byte)unitLength,
                    Type = DescriptorType.ClassInterface,
                    Subtype = AudioControlSubtype.FeatureUnit,
                    Id = FeatureUnitId,
                    Source = InputTerminalId,
                    ControlSize = ControlMapBytes,
                },
                FeatureUnitDescriptor.Size),
            .. maps,
            0,
            .. Packed.ToArray(
                new OutputTerminalDescriptor
                {
                    Length = OutputTerminalDescriptor.Size,
                    Type = DescriptorType.ClassInterface,
                    Subtype = AudioControlSubtype.OutputTerminal,
                    Id = OutputTerminalId,
                    Terminal = isSource ? TerminalType.UsbStreaming : TerminalType.Speaker,
                    Source = FeatureUnitId,
                },
                OutputTerminalDescriptor.Size),
        ];
    }

    private static void AddStream(ConfigurationBuilder builder, AudioOptions options, UsbSpeed speed, bool isSource)
    {
        AudioStreamingDescriptor general = new()
        {
            Length = AudioStreamingDescriptor.Size,
            Type = DescriptorType.ClassInterface,
            Subtype = AudioStreamingSubtype.General,
            TerminalLink = isSource ? OutputTerminalId : InputTerminalId,
            DelayFrames = 1,
            FormatTag = 1,
        };
        FormatTypeDescriptor format = new()
        {
            Length = (byte)(FormatTypeDescriptor.Size + (3 * options.Rates.Count)),
            Type = DescriptorType.ClassInterface,
            Subtype = AudioStreamingSubtype.FormatType,
            Format = 1,
            Channels = (byte)options.Channels,
            SubframeBytes = AudioOptions.SampleBytes,
            BitResolution = 8 * AudioOptions.SampleBytes,
            RateCount = (byte)options.Rates.Count,
        };
        AudioEndpointDescriptor control = new()
        {
            Length = AudioEndpointDescriptor.Size,
            Type = DescriptorType.ClassEndpoint,
            Subtype = AudioStreamingSubtype.General,
            RateControl = true,
        };
        ulong perInterval = ((ulong)options.Rates.Max() * IntervalNs(options, speed) + 999_999_999) / 1_000_000_000;
        EndpointDescriptor endpoint = new()
        {
            Number = StreamEndpoint,
            In = isSource,
            TransferType = TransferType.Isochronous,
            Synchronization = Synchronous,
            MaxPacketSize = (int)perInterval * options.FrameBytes,
            Interval = speed == UsbSpeed.High && !options.EveryMicroframe ? MillisecondInMicroframes : (byte)1,
        };

        // The endpoint descriptor of this class has two bytes more: a refresh rate and an endpoint to synchronize with, neither used.
        _ = builder.Add(Packed.ToArray(general, AudioStreamingDescriptor.Size))
            .Add([.. Packed.ToArray(format, FormatTypeDescriptor.Size), .. options.Rates.SelectMany(RateBytes)])
            .Endpoint(endpoint, 0, 0)
            .Add(Packed.ToArray(control, AudioEndpointDescriptor.Size));
    }

    /// <summary>A sampling rate in the three bytes that it has on the bus.</summary>
    public static byte[] RateBytes(int rate) => [(byte)rate, (byte)(rate >> 8), (byte)(rate >> 16)];
}
